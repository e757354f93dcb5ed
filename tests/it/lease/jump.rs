//! A wall clock that jumps for one process: a library that is loaded into it and adds an offset that stands in a file. Monotonic time goes on as it is.

use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static const volatile long long *offset;

__attribute__((constructor)) static void open_offset(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void *at = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) offset = at;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && offset) time->tv_sec += *offset;
    return result;
}
"#;

/// The library and its file.
pub struct Jump {
    dir: tempfile::TempDir,
}

impl Jump {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let source = dir.path().join("jump.c");
        std::fs::write(&source, SOURCE).expect("a source");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(dir.path().join("jump.so")).arg(&source).arg("-ldl");
        let built = cc.output().expect("a C compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let this = Self { dir };
        this.write(0);
        this
    }

    /// Variables for the process whose clock it is; what that starts has a clean environment.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        vec![("LD_PRELOAD", path("jump.so")), ("CLOCK_OFFSET", path("offset"))]
    }

    /// The clock shows so many minutes more than the right time.
    pub fn set(&self, minutes: i64) {
        self.write(minutes * 60);
    }

    fn write(&self, seconds: i64) {
        use std::os::unix::fs::FileExt as _;
        let path: PathBuf = self.dir.path().join("offset");
        let file =
            std::fs::File::options().create(true).truncate(false).write(true).open(path).expect("a file");
        // In place: the process has it mapped.
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("written");
    }
}
