//! Progress on the terminal: one line per agent, drawn over on a terminal, printed on change elsewhere.

use super::terminal;
use crate::clock;
use crate::domain::{Orchestration, Task, TaskNumber, TaskState};
use std::collections::HashMap;
use std::time::Instant;

/// Shows a run as it goes.
pub(super) struct Live {
    over: bool,
    started: Instant,
    /// Lines drawn last, to be drawn over.
    drawn: usize,
    /// When each task's current attempt was first seen running.
    seen: HashMap<(TaskNumber, u32), Instant>,
    /// The words printed last for each task.
    printed: HashMap<TaskNumber, String>,
}

impl Live {
    pub fn new() -> Self {
        Self {
            over: terminal::is_live(),
            started: clock::instant(),
            drawn: 0,
            seen: HashMap::new(),
            printed: HashMap::new(),
        }
    }

    /// Shows the state now.
    pub fn show(&mut self, state: &Orchestration) {
        for task in &state.tasks {
            if task.state == TaskState::Running {
                self.seen.entry((task.number, task.attempt)).or_insert_with(clock::instant);
            }
        }
        if self.over { self.redraw(state) } else { self.print_changes(state) }
    }

    /// The lines shown so far stay as they are.
    pub fn finish(&mut self) {
        self.drawn = 0;
    }

    fn redraw(&mut self, state: &Orchestration) {
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for task in &state.tasks {
            text.push_str(&format!("\x1b[2K{}\n", self.line(task)));
        }
        self.drawn = state.tasks.len();
        terminal::draw(&text);
    }

    fn print_changes(&mut self, state: &Orchestration) {
        for task in &state.tasks {
            let words = words(task);
            if self.printed.get(&task.number) != Some(&words) {
                let at = clock::since(self.started).as_secs_f64();
                terminal::say(&format!("{at:6.1}s {}", self.line(task)));
                self.printed.insert(task.number, words);
            }
        }
    }

    fn line(&self, task: &Task) -> String {
        let since = self.seen.get(&(task.number, task.attempt)).map(|i| clock::since(*i).as_secs_f64());
        let time = match (task.state, since) {
            (TaskState::Running | TaskState::Publishing, Some(seconds)) => format!("{seconds:5.1}s"),
            (_, _) if task.attempt > 0 => format!("{:5.1}s", task.spent.seconds),
            _ => "      ".to_owned(),
        };
        format!(
            "  agent-{:<2} {time}  {:<34} {}",
            task.number,
            cut(&words(task), 34),
            cut(&plain(&task.title), 50)
        )
    }
}

/// State, stage and result in words.
fn words(task: &Task) -> String {
    match task.state {
        TaskState::Planned => "planned".to_owned(),
        TaskState::Ready if task.attempt > 0 => "waiting for another attempt".to_owned(),
        TaskState::Ready => match task.sub_issue {
            Some(issue) => format!("waiting, sub-issue #{}", issue.number),
            None => "waiting".to_owned(),
        },
        TaskState::Running if task.progress.stage.is_empty() => "starting".to_owned(),
        TaskState::Running if task.progress.note.is_empty() => stage(&task.progress.stage).to_owned(),
        TaskState::Running => format!("{}: {}", stage(&task.progress.stage), task.progress.note),
        TaskState::Publishing => "opening the pull request".to_owned(),
        TaskState::Completed => format!("completed, pull request #{}", task.pull_request.unwrap_or_default()),
        TaskState::Failed => {
            let why = task.failure.as_ref().map_or("failed", |f| f.kind.as_str());
            match task.follow_up {
                Some(issue) => format!("failed: {why}, follow-up #{issue}"),
                None => format!("failed: {why}"),
            }
        }
        TaskState::Cancelled => "cancelled".to_owned(),
        TaskState::Blocked if task.is_out_of_budget() => "not begun: the budget is used up".to_owned(),
        TaskState::Blocked => "blocked".to_owned(),
        TaskState::InReview => "in review already".to_owned(),
    }
}

/// What a runner's stage means for people.
fn stage(name: &str) -> &str {
    match name {
        "policy" => "reading the rules",
        "fetch" => "fetching the repository",
        "setup" => "setting up",
        "agent" => "agent is working",
        "gather" => "collecting commits",
        "import" => "taking commits over",
        "verify" => "verifying",
        "push" => "pushing",
        other => other,
    }
}

/// Foreign text for a terminal: no control characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(longest.saturating_sub(1)).collect();
    short.push('…');
    short
}
