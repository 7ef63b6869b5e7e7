//! What tries found, and the table of it.

/// What one try found.
#[derive(Debug, Default)]
pub(crate) struct Try {
    /// Files that are missing after the plain run.
    pub(crate) lost: Vec<String>,
    /// Files whose bytes are not those of the phone's file of that name.
    pub(crate) wrong: Vec<String>,
    /// Runs that did not end in time.
    pub(crate) hung: Vec<String>,
    /// Anything else: a panic, a wrong exit code, bytes sent again, a bag that is none.
    pub(crate) other: Vec<String>,
}

impl Try {
    /// Whether it found nothing.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings().next().is_none()
    }

    /// Everything it found.
    pub(crate) fn findings(&self) -> impl Iterator<Item = String> {
        let kinds = [
            ("lost", &self.lost),
            ("wrong", &self.wrong),
            ("hung", &self.hung),
            ("other", &self.other),
        ];
        kinds
            .into_iter()
            .flat_map(|(kind, found)| found.iter().map(move |what| format!("{kind}: {what}")))
    }
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    tries: u64,
    counts: [usize; 4],
    pub(crate) seconds: f64,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            tries: 0,
            counts: [0; 4],
            seconds: 0.0,
        }
    }

    pub(crate) fn add(&mut self, tried: &Try) {
        self.tries += 1;
        let found = [&tried.lost, &tried.wrong, &tried.hung, &tried.other];
        for (count, found) in self.counts.iter_mut().zip(found) {
            *count += found.len();
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.tries > 0 && self.counts == [0; 4]
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!("\n| torture | tries | lost | wrong | hung | other | seconds |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for Row {
        name,
        tries,
        counts: [lost, wrong, hung, other],
        seconds,
    } in rows
    {
        println!("| {name} | {tries} | {lost} | {wrong} | {hung} | {other} | {seconds:.0} |");
    }
}
