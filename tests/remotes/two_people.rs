//! Two people who send files of the same names to one place: whenever one of them is held or
//! killed, nothing of anybody's is lost.

use crate::desk::Desk;
use crate::gate::Gate;
use crate::pair::{self, ARGUMENTS, Then};
use crate::relay::Relay;
use crate::server::{Kind, Server};

pub(crate) fn two_people_with_the_same_names_lose_nothing(kind: Kind) {
    let place = Desk::new();
    let server = Server::start(kind, &place);
    let large = match kind {
        // fake-gcs-server forgets the condition of a session, which Google looks at when it ends.
        Kind::Gcs => 1_900_000,
        _ => pair::LARGE,
    };
    let desks = |year: usize| {
        [1, 2].map(|person| {
            let desk = Desk::new();
            desk.rescue(&pair::files(year, person, large));
            desk
        })
    };
    // How many steps it takes when nobody is in the way.
    let [alone, _] = desks(1999);
    let gate = Gate::default();
    let relay = Relay::with_gate(server.port(), gate.clone());
    server.add_right_at(relay.port, &alone);
    alone.run(&ARGUMENTS).expect(0);
    for (round, (step, then)) in pair::rounds(gate.steps()).into_iter().enumerate() {
        let year = 2001 + round;
        let [first, second] = desks(year);
        let gate = Gate::holding_at(step);
        let relay = Relay::with_gate(server.port(), gate.clone());
        server.add_right_at(relay.port, &first);
        server.add_right(&second);
        match kind {
            // Nobody is between: they run at the same time.
            Kind::Folder => side_by_side([&first, &second], then),
            // rclone cannot list a folder while somebody writes a file in it.
            _ => pair::send([&first, &second], &gate, then, kind == Kind::Rclone),
        }
        let there = match kind {
            // It lists for a while what the two have removed in the meantime; its disk does not.
            Kind::S3OnDisk | Kind::B2 => place.tree(&format!("server/files/bucket/{year}")),
            _ => {
                let back = place.path(&format!("back/{year}"));
                server.rclone(&[
                    "copy",
                    &server.remote(&year.to_string()),
                    back.to_str().unwrap(),
                ]);
                place.tree(&format!("back/{year}"))
            }
        };
        let what = format!("{kind:?}, step {step}, {then:?}");
        pair::nothing_is_lost([&first, &second], &there, &what);
        let notes: Vec<_> = there
            .keys()
            .filter(|name| name.contains("rescue"))
            .collect();
        assert!(notes.is_empty(), "{what}: left there: {notes:?}");
    }
}

fn side_by_side([first, second]: [&Desk; 2], then: Then) {
    let mut children = [first, second].map(|desk| desk.start(&ARGUMENTS));
    if then == Then::IsKilled {
        children[0].kill().unwrap();
    }
    for child in children {
        let _ = child.wait_with_output().unwrap();
    }
    for desk in [first, second] {
        desk.run(&ARGUMENTS).expect(0);
    }
}
