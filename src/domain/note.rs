//! What is worth a word about a run from its start on. Stored with the run; the words are `report`'s.

use super::TaskNumber;
use super::explain::Places;
use serde::{Deserialize, Serialize};

/// One remark about how a run goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// These two run side by side although they may touch the same place; the reason is foreign text.
    SideBySide { a: TaskNumber, b: TaskNumber, reason: String },
    /// The runner hosts have fewer slots for the agent than the run could use.
    FewerSlots { slots: u32, wanted: u32 },
    /// No runner host offers the agent, so everything waits.
    NoRunner { agent: String },
    /// Two tasks are hardly worth a run.
    Pair,
}

impl Note {
    /// What the places mean for a run of so many tasks under `max_workers`. A host counts its slots from its processors and
    /// its memory, and takes nothing while its disk is full, so slots stand for all three.
    pub fn of_places(places: &Places, agent: &str, max_workers: Option<u32>, tasks: usize) -> Option<Self> {
        let offers = places.runners.iter().filter(|place| place.agents.iter().any(|a| a == agent));
        let slots: u32 = offers.map(|place| place.slots).sum();
        let tasks = u32::try_from(tasks).unwrap_or(u32::MAX);
        match max_workers.map(|n| n.min(tasks)) {
            _ if slots == 0 => Some(Self::NoRunner { agent: agent.to_owned() }),
            Some(wanted) if wanted > slots => Some(Self::FewerSlots { slots, wanted }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::explain::Place;
    use super::*;

    #[test]
    fn slots_count_where_the_agent_is_offered_and_only_as_far_as_tasks_go() {
        let place = |slots, agent: &str| Place { slots, busy: 0, agents: vec![agent.to_owned()] };
        let places = Places {
            runners: vec![place(2, "claude"), place(1, "claude"), place(9, "codex")],
            installation_alive: 0,
        };
        let note = |agent, max, tasks| Note::of_places(&places, agent, max, tasks);
        assert_eq!(note("claude", Some(5), 8), Some(Note::FewerSlots { slots: 3, wanted: 5 }));
        assert_eq!(note("claude", Some(5), 4), Some(Note::FewerSlots { slots: 3, wanted: 4 }));
        assert_eq!(note("claude", Some(5), 3), None);
        assert_eq!(note("claude", None, 8), None, "as many as there are is what was asked for");
        assert_eq!(note("gemini", Some(1), 1), Some(Note::NoRunner { agent: "gemini".into() }));
        let nobody = Note::of_places(&Places::default(), "claude", None, 1);
        assert_eq!(nobody, Some(Note::NoRunner { agent: "claude".into() }));
    }
}
