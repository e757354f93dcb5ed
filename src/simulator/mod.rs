//! GitHub over HTTP from a state model, with real git behind it: a world of its own that `divisi demo`,
//! `divisi run` and the tests put in GitHub's place.
//!
//! [`Simulator::start`] listens on loopback; people act through the verbs of [`Simulator`] (`hands`), the App acts
//! through HTTP (`http`), both change one [`World`], and every change emits the webhooks that GitHub would send
//! (`webhooks`). Answers have the shape of GitHub's published descriptions (`json`); the rules that those do not
//! state (limits, duplicates, permissions) are in the files of their subject.

mod app;
mod checks;
mod comments;
mod deliveries;
mod fault;
mod git;
mod git_memory;
mod hands;
mod http;
mod issues;
mod json;
mod key;
mod labels;
mod limits;
mod links;
mod options;
mod outage;
mod owners;
mod pulls;
mod reactions;
mod refs;
mod refusal;
mod service;
mod watch;
mod weather;
mod webhooks;
mod world;

pub use app::{Installation, MintedToken};
pub use checks::CheckRun;
pub use comments::Comment;
pub use deliveries::Delivery;
pub use fault::{Fault, FaultEffect};
pub use git::{GitError, bin_dir_of_git};
pub use hands::{NewIssue, RepoContent};
pub use issues::{Issue, IssueState};
pub use key::AppKey;
pub use labels::Label;
pub use limits::{Limits, Violation};
pub use options::{Exchange, Observer, Options, TokenKind};
pub use outage::{Arrival, Outage, OutageKind};
pub use pulls::Pull;
pub use reactions::Reaction;
pub use refusal::Refusal;
pub use service::{Simulator, SimulatorError};
pub use watch::CallRecord;
pub use weather::Weather;
pub use world::{Actor, Repo, Role, User, UserKind, World};
