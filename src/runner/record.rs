//! What a runner writes down about each attempt, so that its next life can go on: which directory it has, how far it came,
//! what it has used, and which processes hold its programs together.
//!
//! A record is there before the directory that it names, and goes after it: what no record names belongs to nobody.

use crate::agents::{FinalWord, Seen};
use crate::dispatch::wire;
use crate::domain::{AttemptId, CommandRun, Sha, Spent};
use crate::sandbox::Identity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest closing text of an agent that is kept, in characters.
pub(super) const MAX_SAID: usize = 4_000;

/// One attempt as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) attempt: AttemptId,
    /// The repository, whose mirror has its refs.
    pub(super) repo: u64,
    /// The name of its directory.
    pub(super) dir: String,
    /// What the work tree was made for; another base or branch needs another one.
    pub(super) branch: String,
    pub(super) base: Sha,
    /// The agent's session.
    pub(super) session: String,
    pub(super) stage: Stage,
    /// What the attempt has used, in all lives.
    pub(super) spent: Spent,
    /// How long its agent has run, in all lives.
    pub(super) agent_seconds: f64,
    /// The processes that hold its programs together.
    pub(super) shims: Vec<Identity>,
}

/// How far an attempt came; each stage holds what the next ones need.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Its place is being made.
    Begun,
    /// Its agent runs.
    Agent,
    /// Its agent has done its work.
    Worked(Said),
    /// Its commits are in the mirror and allowed.
    Imported { said: Said, head: Sha },
    /// They passed.
    Verified { said: Said, head: Sha, verify: Vec<CommandRun> },
    /// The branch is pushed.
    Pushed(wire::Pushed),
    /// It ended; the control plane may not have heard of it.
    Ended(wire::End),
}

/// What the agent said at its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Said {
    text: String,
    denied: Vec<String>,
}

impl Said {
    pub(super) fn of(seen: &Seen) -> Self {
        let denied = seen.last_word.as_ref().map(|word| word.denied.clone()).unwrap_or_default();
        Self { text: seen.said().chars().take(MAX_SAID).collect(), denied }
    }

    pub(super) fn seen(self) -> Seen {
        let word = FinalWord { text: self.text, denied: self.denied, ..FinalWord::default() };
        Seen { started: true, last_word: Some(word), ..Seen::default() }
    }
}

/// All records of a data directory.
#[derive(Debug)]
pub(super) struct Journal {
    dir: PathBuf,
    records: Mutex<BTreeMap<AttemptId, Record>>,
}

impl Journal {
    /// Reads what is there. A file that says nothing is removed: what it belonged to is then nobody's.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut records = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            match fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok()) {
                Some(record) if path == file(dir, &record.attempt) && is_name(&record.dir) => {
                    records.insert(record.attempt.clone(), record);
                }
                _ => fs::remove_file(&path)?,
            }
        }
        Ok(Self { dir: dir.to_owned(), records: Mutex::new(records) })
    }

    pub(super) fn all(&self) -> Vec<Record> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn get(&self, attempt: &AttemptId) -> Option<Record> {
        self.lock().get(attempt).cloned()
    }

    /// Writes a record down: it outlives this process, and after a power cut this one or the one before is there.
    pub(super) fn put(&self, record: Record) -> io::Result<()> {
        let mut records = self.lock();
        let path = file(&self.dir, &record.attempt);
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&record)?)?;
        file.sync_data()?;
        fs::rename(&fresh, &path)?;
        records.insert(record.attempt.clone(), record);
        Ok(())
    }

    pub(super) fn forget(&self, attempt: &AttemptId) -> io::Result<()> {
        let mut records = self.lock();
        match fs::remove_file(file(&self.dir, attempt)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        records.remove(attempt);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file(dir: &Path, attempt: &AttemptId) -> PathBuf {
    dir.join(format!("{attempt}.json"))
}

/// A record's directory is an entry of the attempts' directory and nothing else, whoever wrote the record.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunId;

    fn record(task: u32) -> Record {
        Record {
            attempt: AttemptId { run: RunId::new("ab12"), task, attempt: 1 },
            repo: 7,
            dir: format!("ab12.{task}.1-1"),
            branch: "divisi/1/1-x".to_owned(),
            base: Sha::parse(&"a".repeat(40)).unwrap(),
            session: "s".to_owned(),
            stage: Stage::Begun,
            spent: Spent::default(),
            agent_seconds: 0.0,
            shims: Vec::new(),
        }
    }

    #[test]
    fn records_outlive_the_process_and_what_says_nothing_goes() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        journal.put(record(1)).unwrap();
        journal.put(record(2)).unwrap();
        let said = Said { text: "done".to_owned(), denied: vec![] };
        journal.put(Record { stage: Stage::Worked(said), ..record(1) }).unwrap();
        journal.put(Record { dir: "../x".to_owned(), ..record(3) }).unwrap();
        journal.forget(&record(2).attempt).unwrap();
        journal.forget(&record(2).attempt).unwrap();
        fs::write(dir.path().join("half.json"), "{\"attempt\":").unwrap();
        fs::write(dir.path().join("ab12.1.1.new"), "x").unwrap();

        let journal = Journal::open(dir.path()).unwrap();
        let all = journal.all();
        assert_eq!(all.len(), 1, "{all:?}");
        let Stage::Worked(said) = &all[0].stage else { panic!("{all:?}") };
        assert_eq!(said.clone().seen().said(), "done");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
