use super::*;
use rustix::fs::{mkdirat, symlinkat};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

fn open_dir(path: &Path) -> OwnedFd {
    openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .expect("a directory")
}

#[test]
fn what_is_not_there_is_removed_already_and_files_and_links_go_too() {
    let dir = tempfile::tempdir().expect("a directory");
    remove_tree_blocking(&dir.path().join("nothing")).expect("nothing to do");
    let kept = dir.path().join("kept");
    fs::create_dir(&kept).expect("a directory");
    fs::write(kept.join("file"), "x").expect("a file");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&kept, &link).expect("a link");
    remove_tree_blocking(&link).expect("the link goes");
    assert!(!link.is_symlink() && kept.join("file").exists());
    remove_tree_blocking(&kept.join("file")).expect("the file goes");
    assert!(!kept.join("file").exists());
}

#[test]
fn links_inside_are_removed_and_never_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("precious"), "x").expect("a file");
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("a/b")).expect("directories");
    for place in ["l", "a/l", "a/b/l"] {
        std::os::unix::fs::symlink(&outside, tree.join(place)).expect("a link");
    }
    symlinkat("..", open_dir(&tree.join("a")), "up").expect("a link");
    remove_tree_blocking(&tree).expect("the tree goes");
    assert!(!tree.exists() && outside.join("precious").exists());
}

#[test]
fn a_tree_of_depth_20_000_goes_with_few_descriptors() {
    // In memory where that is possible: some disks need milliseconds for each removed directory.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let tree = dir.path().join("deep");
    fs::create_dir(&tree).expect("a directory");
    let mut here = open_dir(&tree);
    for _ in 0..20_000 {
        mkdirat(&here, "d", Mode::RWXU).expect("a directory");
        here = openat(&here, "d", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("it opens");
    }
    drop(here);
    remove_tree_blocking(&tree).expect("the tree goes");
    assert!(!tree.exists());
}

#[test]
fn odd_names_modes_and_kinds_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let tree = dir.path().join("odd");
    let inner = tree.join("closed/inner");
    fs::create_dir_all(&inner).expect("directories");
    fs::write(inner.join("f"), "x").expect("a file");
    for name in [&b"new\nline"[..], b"\xff\xfe", b"-rf", b" ", b"*", b"..."] {
        fs::write(tree.join(std::ffi::OsString::from_vec(name.to_vec())), "x").expect("a file");
    }
    for number in 0..2_000 {
        fs::create_dir_all(tree.join(format!("many/{number}/x"))).expect("directories");
    }
    rustix::fs::mknodat(CWD, tree.join("fifo"), FileType::Fifo, Mode::RUSR, 0).expect("a FIFO");
    std::os::unix::net::UnixListener::bind(tree.join("socket")).expect("a socket");
    fs::set_permissions(inner.join("f"), fs::Permissions::from_mode(0o000)).expect("a mode");
    for closed in [&inner, &tree.join("closed")] {
        fs::set_permissions(closed, fs::Permissions::from_mode(0o000)).expect("a mode");
    }
    remove_tree_blocking(&tree).expect("the tree goes");
    assert!(!tree.exists());
}

#[test]
fn what_cannot_be_removed_is_reported_and_the_rest_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("a/b/c")).expect("directories");
    fs::write(tree.join("a/file"), "x").expect("a file");
    let mut walk = Walk { device: 0, stuck: HashSet::new(), first: None };
    let inode = fstat(open_dir(&tree.join("a/b"))).expect("a stat").st_ino;
    // Stands for an entry that the system refuses to remove.
    walk.give_up(inode, c"c".to_owned(), Errno::BUSY);
    let name = CString::new(tree.as_os_str().as_bytes()).expect("a path");
    walk.remove(&name).expect("the walk ends");
    assert_eq!(walk.first, Some(Errno::BUSY));
    assert!(tree.join("a/b/c").exists() && !tree.join("a/file").exists());
}
