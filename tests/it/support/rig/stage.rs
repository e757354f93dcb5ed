//! A run that a test leads step by step, where [`Hub::play`](super::Hub::play) plays a whole script.

use super::life::{Life, Shared};
use super::{Hub, LABEL, Script};
use divisi::domain::{DeliveryId, Orchestration};
use divisi::simulator::World;
use divisi::store::{NewDelivery, Sqlite, Store as _};
use std::sync::Arc;
use std::time::Duration;

/// The run. Ending it takes its data away.
pub struct Stage<'a> {
    hub: &'a mut Hub,
    shared: Arc<Shared>,
    /// `None` only while one follows the other.
    life: Option<Life>,
    /// Deliveries of the hub that were looked at.
    seen: usize,
    busy: u32,
    /// The repository.
    pub repo: String,
    /// The master issue.
    pub master: u64,
}

impl<'a> Stage<'a> {
    /// Opens a master issue, labels it, and starts Divisi.
    pub fn begin(hub: &'a mut Hub, script: Script) -> Self {
        Self::begin_with(hub, script, |github, repo, master| {
            github.label_issue(repo, super::MAINTAINER, master, LABEL).expect("a label");
        })
    }

    /// Opens a master issue, lets a person start a run in another way, and starts Divisi.
    pub fn begin_with(
        hub: &'a mut Hub,
        script: Script,
        start: impl FnOnce(&divisi::simulator::Simulator, &str, u64),
    ) -> Self {
        let (shared, master) = hub.prepare(script);
        let repo = shared.repo.clone();
        let _entered = hub.clock.enter();
        // What is left of the run before is not this one's.
        hub.github.forget_deliveries();
        hub.github.subscribe(&["issues", "issue_comment", "pull_request"]);
        start(&hub.github, &repo, master);
        let life = Some(Life::begin(&shared, None));
        let mut stage = Self { hub, shared, life, seen: 0, busy: 0, repo, master };
        let label = stage.acts();
        stage.post(label);
        stage
    }

    /// What people do at GitHub, by its clock.
    pub fn by_hand<T>(&self, act: impl FnOnce(&divisi::simulator::Simulator) -> T) -> T {
        let _entered = self.hub.clock.enter();
        act(&self.hub.github)
    }

    /// Divisi dies where it stands, and a new process follows on the same database.
    pub fn restart(&mut self) {
        if let Some(life) = self.life.take() {
            life.end();
        }
        self.life = Some(Life::begin(&self.shared, None));
    }

    /// What GitHub has to tell of people's acts since the last time.
    pub fn acts(&mut self) -> Vec<NewDelivery> {
        let (seen, bot) = (self.seen, self.hub.github.read(World::bot_login));
        let (new, seen) = self.hub.github.read(|w| {
            let by_people = |payload: &[u8]| {
                let value: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
                value["sender"]["login"] != bot.as_str()
            };
            let new = w.deliveries()[seen..].iter().filter(|d| by_people(&d.payload)).map(|d| NewDelivery {
                id: DeliveryId::new(d.guid.clone()),
                event: d.event.clone(),
                payload: d.payload.to_vec(),
            });
            (new.collect(), w.deliveries().len())
        });
        self.seen = seen;
        new
    }

    /// Hands deliveries to Divisi, in this order.
    pub fn post(&self, deliveries: Vec<NewDelivery>) {
        self.shared.mail.lock().expect("a lock").extend(deliveries);
        self.shared.bell.notify_one();
    }

    /// Lets time go on until GitHub looks like this; false when `patience` of virtual time is over.
    pub fn until(&mut self, patience: Duration, mut wanted: impl FnMut(&World) -> bool) -> bool {
        let end = self.hub.clock.elapsed() + patience;
        while self.hub.clock.elapsed() < end {
            if self.hub.github.read(&mut wanted) {
                return true;
            }
            self.hub.pass(&mut self.busy);
        }
        false
    }

    /// Lets so much virtual time pass.
    pub fn pass(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    /// The run as it is stored, after its life was ended.
    pub fn end(mut self) -> Orchestration {
        if let Some(life) = self.life.take() {
            life.end();
        }
        self.hub.github.subscribe(&[]);
        let path = self.shared.data.join("divisi.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let runs = runtime.block_on(async {
            let store = Sqlite::open(&path).await.expect("the database opens");
            let runs = store.runs(10).await.expect("the runs");
            store.close().await;
            runs
        });
        let _ = std::fs::remove_dir_all(&self.shared.data);
        assert_eq!(
            runs.len(),
            1,
            "one run: {:#?}",
            runs.iter()
                .map(|r| (&r.run.master, &r.run.triggers, &r.run.state, r.digest(), r.run.created_at))
                .collect::<Vec<_>>()
        );
        runs.into_iter().next().expect("a run")
    }
}
