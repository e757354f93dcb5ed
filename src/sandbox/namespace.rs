//! Namespaces: which confinement this machine allows, and how the shim enters it.

use super::raw::unshare;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, set_capabilities,
};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;

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
    /// Every confinement, the best first.
    pub const ALL: [Self; 3] = [Self::PidNamespace, Self::UserPidNamespace, Self::Subreaper];

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
        Self::ALL.into_iter().find(|c| c.as_str() == word)
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Prepares this process so that its next child is the first one of a new PID namespace (with a mount namespace for a `/proc` of its own).
///
/// # Errors
/// When the kernel refuses, or when another thread exists: a user namespace needs a process of one thread.
pub(super) fn enter(confinement: Confinement) -> io::Result<()> {
    let spaces = UnshareFlags::NEWPID | UnshareFlags::NEWNS;
    match confinement {
        Confinement::Subreaper => Ok(()),
        Confinement::PidNamespace => unshare(spaces),
        Confinement::UserPidNamespace => {
            let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            unshare(spaces | UnshareFlags::NEWUSER)?;
            // The kernel wants this order for an ordinary user (user_namespaces(7)).
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))?;
            fs::write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))?;
            // The first process of the namespace is an exec away, which would take the right to mount from an ordinary uid.
            let held = capabilities(None)?;
            set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::SYS_ADMIN, ..held })?;
            configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)?;
            Ok(())
        }
    }
}

/// The identity of this process's PID namespace, such as `pid:[4026531836]`.
pub(super) fn pid_namespace() -> io::Result<OsString> {
    Ok(fs::read_link("/proc/self/ns/pid")?.into_os_string())
}

/// Finishes the way into a new PID namespace, as its first process: checks that it is that, mounts a `/proc` of its own where allowed and gives up the
/// right to mount.
///
/// # Errors
/// When this is not the first process of a namespace other than `outside`.
pub(super) fn settle(confinement: Confinement, outside: &OsString) -> io::Result<()> {
    if confinement == Confinement::Subreaper {
        return Ok(());
    }
    if std::process::id() != 1 || pid_namespace()? == *outside {
        return Err(io::Error::other("this is not the first process of a PID namespace of its own"));
    }
    // Some container runtimes forbid a fresh /proc. The namespace holds without it; its programs then see the outer process numbers there.
    // Nothing may be mounted before the tree is private: it would appear outside.
    if mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).is_ok() {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let _ = mount("proc", "/proc", "proc", flags, None);
    }
    if confinement == Confinement::UserPidNamespace {
        clear_ambient_capability_set()?;
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    }
    Ok(())
}
