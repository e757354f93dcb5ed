//! GitHub as Divisi needs it: the App's identity, one client per installation, and payloads as our own events.
//!
//! `octocrab` carries the requests (TLS, pool, base address); retries, redirects and token handling of its own
//! are off, because each of them can repeat or lose a write. What is ours: the token cache ([`App`]), the
//! limiter ([`Pace`], [`Level`]) and the circuit of each installation, one place that repeats reads, one pagination, errors by what the caller must do ([`Error`]) and [`event`].

mod app;
mod circuit;
mod client;
mod error;
mod etags;
pub mod event;
mod issues;
mod jwt;
mod level;
mod limiter;
mod pages;
mod pulls;
mod repository;
mod retry;
mod standing;
mod token;
mod transport;
mod types;

pub use app::{App, AppConfig, AppInfo, DeliveryContent, DeliveryItem, ScopedToken, TokenCalls};
pub use client::{CallCounter, Client, RepoClient};
pub use error::{Error, Result};
pub use issues::{IssueFilter, IssuePatch};
pub use level::Level;
pub use limiter::Pace;
pub use pulls::{NewPull, PullPatch};
pub use standing::{InstallationStanding, RepositoryStanding};
pub use types::{BranchHead, Comment, Compare, Issue, IssueState, Permission, Pull, StateReason};
