use super::*;

#[test]
fn phone_may_send_a_last_whole_message_past_its_window() {
    let mut host = End::connected_host(Acks::ByBytes);
    let id = host.opened(Acks::ByBytes, 9, 0);
    // adbd sends while a single byte of the window is left, and then a whole message.
    let whole = pattern(MAX_PAYLOAD as usize);
    let almost = RECEIVE_WINDOW as usize - 1;
    let mut sent = 0;
    while sent < almost {
        let piece = whole.slice(..(almost - sent).min(whole.len()));
        sent += piece.len();
        host.hear(message(Command::Wrte, 9, id.0, piece)).unwrap();
    }
    host.hear(message(Command::Wrte, 9, id.0, whole.clone()))
        .unwrap();
    assert_eq!(data_of(&host.events(), id).len(), almost + whole.len());
    let error = host
        .hear(message(Command::Wrte, 9, id.0, "xy"))
        .unwrap_err();
    assert!(matches!(error, ConnectionError::Flood));
}
