//! How things stand with the App and a repository: asked when an event or an error hints that they changed.

use super::app::App;
use super::client::{CallCounter, Client, RawRepository, Read};
use super::error::{Error, Result};
use crate::domain::Repo;
use serde::Deserialize;

/// How an installation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallationStanding {
    /// It works.
    Active,
    /// Somebody suspended it; GitHub refuses every call until that ends.
    Suspended,
    /// The App was uninstalled.
    Uninstalled,
}

/// How a repository stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryStanding {
    /// The repository as it is named today.
    pub repo: Repo,
    /// Nothing can be written to it.
    pub archived: bool,
    /// Issues are switched on.
    pub has_issues: bool,
}

impl App {
    /// How an installation stands. Asked as the App itself: its own tokens do not work while it is suspended.
    pub async fn standing(&self, installation: u64) -> Result<InstallationStanding> {
        #[derive(Deserialize)]
        struct Raw {
            suspended_at: Option<serde::de::IgnoredAny>,
        }
        let op = "read the App's installation";
        match self.read_as_app(op, &format!("/app/installations/{installation}")).await {
            Ok(answer) => answer.read::<Raw>(op).map(|raw| match raw.suspended_at {
                Some(_) => InstallationStanding::Suspended,
                None => InstallationStanding::Active,
            }),
            Err(Error::NotFound { .. }) => Ok(InstallationStanding::Uninstalled),
            Err(error) => Err(error),
        }
    }
}

impl Client {
    /// The next call takes a new token. A token keeps the permissions of its minting, so one that was granted since
    /// is of no use to it.
    pub async fn forget_token(&self) {
        self.tokens().forget().await;
    }

    /// How a repository stands, by its id, which no renaming changes.
    ///
    /// # Errors
    /// [`Error::NotFound`] when this installation does not see it (any more).
    pub async fn repository_standing(&self, id: u64, calls: &CallCounter) -> Result<RepositoryStanding> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(flatten)]
            repository: RawRepository,
            #[serde(default)]
            archived: bool,
            has_issues: Option<bool>,
        }
        let op = "read a repository by its id";
        let raw: Raw = self.read(Read::new(op), &format!("/repositories/{id}"), calls).await?.read(op)?;
        let repo = raw.repository.translate(self.id());
        Ok(RepositoryStanding { repo, archived: raw.archived, has_issues: raw.has_issues.unwrap_or(true) })
    }
}
