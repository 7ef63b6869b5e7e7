//! Ways to do the same work, run in turn, and what came of it as a table.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::desk::{self, Desk};

/// How often a way is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In every round, and once before to warm up.
    Fast,
    /// In the first rounds only (`SLOW_ROUNDS`), because it takes long.
    Slow,
}

/// Where the copy of the phone's `DCIM` is, below the folder that a way is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    Below(&'static str),
    /// What is on the phone is on the disk already, at this place.
    Standing(&'static str),
    /// There is none.
    Nowhere,
}

/// A name, and the command that does the work into a new folder.
pub(crate) struct Way<'a> {
    pub(crate) name: String,
    pub(crate) pace: Pace,
    pub(crate) copy: Copy,
    command: Box<dyn Fn(&Path) -> Command + 'a>,
    runs: Vec<Run>,
}

/// What one run took.
#[derive(Debug, Clone, Copy)]
struct Run {
    seconds: f64,
    /// Until the last group of files was handed to the disk, where that is told.
    until_sync: Option<f64>,
    /// Of the command and what it started, on the processor.
    cpu_seconds: f64,
    peak_kib: f64,
}

impl<'a> Way<'a> {
    pub(crate) fn new(
        name: impl Into<String>,
        pace: Pace,
        copy: Copy,
        command: impl Fn(&Path) -> Command + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            pace,
            copy,
            command: Box::new(command),
            runs: Vec::new(),
        }
    }
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) fast: usize,
    pub(crate) slow: usize,
    /// Whether a round before the first warms caches and makes keys.
    pub(crate) warm_up: bool,
}

/// The work: what is on the phone, and how its table is headed.
pub(crate) struct Contest<'a> {
    pub(crate) title: String,
    pub(crate) desk: &'a Desk,
    /// The folder behind the phone's `DCIM`.
    pub(crate) original: PathBuf,
    /// Bytes a second of the link, when it is narrow enough to count.
    pub(crate) link_rate: Option<u64>,
    pub(crate) ways: Vec<Way<'a>>,
}

impl Contest<'_> {
    /// Runs the ways in turn, each beginning one round later than in the round before, checks
    /// every copy, and prints the table. The first way is what the others are compared with.
    pub(crate) fn hold(mut self, rounds: Rounds) {
        // Small files stay until the end: ext4 is slow to give out again what was deleted just now.
        let folder = (1..)
            .map(|number| self.desk.path(&format!("results-{number}")))
            .find(|folder| !folder.exists())
            .unwrap();
        fs::create_dir(&folder).unwrap();
        let count = self.ways.len();
        for round in 0..=rounds.fast.max(rounds.slow) {
            for turn in 0..count {
                let index = (round + turn) % count;
                let way = &self.ways[index];
                let wanted = match (round, way.pace) {
                    (0, pace) => rounds.warm_up && pace == Pace::Fast,
                    (_, Pace::Fast) => round <= rounds.fast,
                    (_, Pace::Slow) => round <= rounds.slow,
                };
                if !wanted {
                    continue;
                }
                let to = folder.join(format!("{round}-{index}"));
                let run = self.run(way, &to);
                eprintln!(
                    "{}: round {round}, {}: {:.2} s, {:.2} s of processor, {:.0} MB",
                    self.title,
                    way.name,
                    run.seconds,
                    run.cpu_seconds,
                    run.peak_kib / 1024.0
                );
                self.ways[index].runs.extend((round > 0).then_some(run));
            }
        }
        self.print_table();
    }

    fn run(&self, way: &Way<'_>, to: &Path) -> Run {
        let report = self.desk.path("time");
        let mut command = timed(&(way.command)(to), &report);
        // Nobody pays for the writes of the one before.
        desk::output_of(&mut desk::command("sync"));
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut until_sync = None;
        let mut said = Vec::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.contains("a group goes to the disk") {
                until_sync = Some(began.elapsed().as_secs_f64());
            }
            said.push(line);
        }
        let status = child.wait().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        assert!(
            status.success(),
            "{}: {status}\n{}",
            way.name,
            said.join("\n")
        );
        let copy = match way.copy {
            Copy::Below(place) => Some(to.join(place)),
            Copy::Standing(place) => Some(self.desk.path(place)),
            Copy::Nowhere => None,
        };
        if let Some(copy) = copy {
            self.expect_same(&copy, &way.name);
        }
        let figures = fs::read_to_string(report).unwrap();
        let figures: Vec<f64> = figures
            .split_whitespace()
            .map(|figure| figure.parse().unwrap())
            .collect();
        let [peak_kib, user, system] = figures[..] else {
            panic!("time wrote {figures:?}");
        };
        if bytes_are_many(to) {
            fs::remove_dir_all(to).unwrap();
        }
        Run {
            seconds,
            until_sync,
            cpu_seconds: user + system,
            peak_kib,
        }
    }

    fn expect_same(&self, copy: &Path, name: &str) {
        let mut diff = Command::new("diff");
        diff.arg("-rq")
            .args([self.original.join("Camera"), copy.join("Camera")]);
        let status = diff.stdout(Stdio::null()).status().unwrap();
        assert!(
            status.success(),
            "{name}: {} differs from the phone",
            copy.display()
        );
    }

    fn print_table(self) {
        let told = self.ways.iter().any(|way| {
            way.runs
                .iter()
                .any(|run| run.until_sync.is_some() && self.title.contains("2 GiB"))
        });
        let ours = median(&self.ways[0].runs, |run| run.seconds);
        let bytes = crate::trees::bytes_below(&self.original) as f64;
        println!("\n{}", self.title);
        let mut head =
            "| way | median | min to max | runs | times ours | processor | peak memory |"
                .to_owned();
        let mut rule = "| --- | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned();
        if self.link_rate.is_some() {
            head += " of the link |";
            rule += " ---: |";
        }
        if told {
            head += " before the last sync |";
            rule += " ---: |";
        }
        println!("{head}\n{rule}");
        for way in &self.ways {
            if way.runs.is_empty() {
                println!("| {} | left out (SLOW_ROUNDS=0) |", way.name);
                continue;
            }
            let seconds = median(&way.runs, |run| run.seconds);
            let times = || way.runs.iter().map(|run| run.seconds);
            let least = times().fold(f64::INFINITY, f64::min);
            let most = times().fold(0.0, f64::max);
            let mut line = format!(
                "| {} | {seconds:.2} s | {least:.2} to {most:.2} | {} | {:.1} | {:.2} s | {:.0} MB |",
                way.name,
                way.runs.len(),
                seconds / ours,
                median(&way.runs, |run| run.cpu_seconds),
                way.runs.iter().map(|run| run.peak_kib).fold(0.0, f64::max) / 1024.0,
            );
            if let Some(rate) = self.link_rate {
                line += &format!(" {:.1} % |", 100.0 * bytes / rate as f64 / seconds);
            }
            if told {
                let until = way.runs.iter().all(|run| run.until_sync.is_some());
                line += &match until {
                    true => {
                        let until = median(&way.runs, |run| run.until_sync.unwrap());
                        format!(" {until:.2} s |")
                    }
                    false => " |".to_owned(),
                };
            }
            println!("{line}");
        }
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    match figures.len() % 2 {
        0 => (figures[half - 1] + figures[half]) / 2.0,
        _ => figures[half],
    }
}

/// The same command, with what it takes written into a file: KiB, and seconds of user and system.
fn timed(command: &Command, report: &Path) -> Command {
    let mut timed = desk::command("/usr/bin/time");
    timed.args(["-q", "-f", "%M %U %S", "-o"]).arg(report);
    timed.arg(command.get_program()).args(command.get_args());
    let variables = command.get_envs();
    timed.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        timed.current_dir(folder);
    }
    timed.stdout(Stdio::null()).stderr(Stdio::piped());
    timed
}

/// Whether a result takes so much room that it is not kept until the end.
fn bytes_are_many(folder: &Path) -> bool {
    const MANY: u64 = 1 << 30;
    folder.exists() && crate::trees::bytes_below(folder) > MANY
}
