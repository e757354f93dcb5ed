//! A disk that is soon full.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file system of 8 MiB that is gone when this is dropped.
pub struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// `None` where mounting is not allowed.
    pub fn new() -> Option<Self> {
        let dir = TempDir::new().expect("a directory");
        let flags = rustix::mount::MountFlags::NOSUID | rustix::mount::MountFlags::NODEV;
        match rustix::mount::mount("tmpfs", dir.path(), "tmpfs", flags, Some(c"size=8m,mode=0700")) {
            Ok(()) => Some(Self { dir }),
            Err(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => None,
            Err(other) => panic!("mount: {other}"),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Fills it to the last block; removing the file makes room again.
    pub fn fill(&self) -> PathBuf {
        let path = self.dir.path().join("ballast");
        let mut file = File::create(&path).expect("a file");
        for size in [64 << 10, 4096, 1] {
            let piece = vec![b'x'; size];
            while file.write_all(&piece).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.dir.path(), rustix::mount::UnmountFlags::DETACH);
    }
}
