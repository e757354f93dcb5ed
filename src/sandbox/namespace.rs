//! Namespaces: which confinement this machine allows, and how the shim enters it.

use std::fmt;

/// What holds a program's processes together. Found by trying, never inferred from versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// A PID namespace of its own, made as a privileged user: the kernel kills the whole tree with its first process.
    PidNamespace,
    /// The same inside a user namespace of its own, for an ordinary user.
    UserPidNamespace,
    /// No namespaces allowed: the shim is the tree's subreaper and sweeps it.
    Subreaper,
}

impl Confinement {
    /// The word in the shim's arguments and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PidNamespace => "pid-namespace",
            Self::UserPidNamespace => "user-pid-namespace",
            Self::Subreaper => "subreaper",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::PidNamespace, Self::UserPidNamespace, Self::Subreaper].into_iter().find(|c| c.as_str() == word)
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
