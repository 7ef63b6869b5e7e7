//! What tries found, and the table of it.

/// What one try found.
#[derive(Debug, Default)]
pub(crate) struct Try {
    /// What was tried, where a way has several; each has a row of its own.
    pub(crate) of: Option<&'static str>,
    /// Files that are missing after the plain run.
    pub(crate) lost: Vec<String>,
    /// Files whose bytes are not those of the phone's file of that name.
    pub(crate) wrong: Vec<String>,
    /// Runs that did not end in time.
    pub(crate) hung: Vec<String>,
    /// Commands that do not complete when they are run again.
    pub(crate) stuck: Vec<String>,
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
            ("stuck", &self.stuck),
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
    name: String,
    tries: u64,
    counts: [usize; 5],
    seconds: f64,
}

impl Row {
    pub(crate) fn new(way: &str, of: Option<&str>) -> Self {
        Self {
            name: of.map_or_else(|| way.to_owned(), |of| format!("{way}: {of}")),
            tries: 0,
            counts: [0; 5],
            seconds: 0.0,
        }
    }

    /// Adds a try, and its share of the time that all of them take.
    pub(crate) fn add(&mut self, tried: &Try, seconds: f64) {
        self.tries += 1;
        self.seconds += seconds;
        let Try {
            lost,
            wrong,
            hung,
            stuck,
            other,
            ..
        } = tried;
        for (count, found) in self
            .counts
            .iter_mut()
            .zip([lost, wrong, hung, stuck, other])
        {
            *count += found.len();
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.tries > 0 && self.counts == [0; 5]
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!("\n| torture | tries | lost | wrong | hung | stuck | other | seconds |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for Row {
        name,
        tries,
        counts: [lost, wrong, hung, stuck, other],
        seconds,
    } in rows
    {
        println!(
            "| {name} | {tries} | {lost} | {wrong} | {hung} | {stuck} | {other} | {seconds:.0} |"
        );
    }
}
