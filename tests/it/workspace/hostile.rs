//! What a hostile agent can do to its repository, and what comes of it.

use super::*;

#[tokio::test]
async fn conflicts_and_a_broken_repository_are_told() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    let conflict = "git checkout -q -b a; echo a > README.md; git commit -qam a; git checkout -q -b b HEAD~1; echo b > README.md; git commit -qam b; git merge -q a || true";
    world.agent(&workspace, conflict).await;
    let error = world.gather(&workspace).await.expect_err("conflicts");
    assert!(matches!(&error, GatherError::Conflicts(paths) if paths == &["README.md"]), "{error}");
    let cases = [
        ("rm .git", "was deleted"),
        ("rm .git; git init -q .; git add -A", "replaced"),
        ("git init -q ../tmp/other; echo \"gitdir: $TMPDIR/other/.git\" > .git", "another repository"),
        ("rm .git; mkfifo .git", "replaced"),
        ("rm .git; ln -s /etc/passwd .git", "replaced"),
        ("rm -rf ../repo.git", "repository is gone"),
        ("cd ..; rm -rf work", "work tree is gone"),
        ("cd ..; rm -rf work; ln -s /etc work", "work tree is gone"),
        ("echo garbage > $P/HEAD; echo garbage > $P/worktrees/work/HEAD", "not a git repository"),
    ];
    for (number, (script, words)) in cases.into_iter().enumerate() {
        let workspace = world.attempt(10 + u32::try_from(number).expect("small")).await;
        world.agent(&workspace, script).await;
        let error = world.gather(&workspace).await.expect_err(script);
        assert!(matches!(&error, GatherError::Broken(why) if why.contains(words)), "{script}: {error}");
        assert_eq!(error.kind(), FailureKind::ImportConflict);
        remove_attempt(&workspace.paths).await.expect("removed");
    }
    assert!(Path::new("/etc/passwd").exists());
}

#[tokio::test]
async fn leftovers_of_a_killed_git_and_of_a_gc_do_no_harm() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    world.agent(&workspace, "echo x > x; git add x; git commit -qm x; git gc -q --prune=now; echo y > y; touch $P/worktrees/work/index.lock").await;
    assert!(world.gather(&workspace).await.expect("gathered").committed_leftovers);
    assert_eq!(world.import(&workspace).await.expect("imported").commits, 2);
}

#[tokio::test]
async fn a_killed_git_keeps_nothing_locked_and_no_branch_is_taken_for_its_leftover() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    let locked =
        "git branch packed-refs.new; git branch old; git pack-refs --all; git branch -f packed-refs.new HEAD
        touch $P/packed-refs.new $P/worktrees/work/index.lock $P/refs/heads/old.lock
        ! git branch -D old";
    world.agent(&workspace, locked).await;
    unlock(world.git.launcher(), world.git.settings(), &workspace).await.expect("unlocked");
    world
        .agent(&workspace, "set -e; git branch -D old; git rev-parse packed-refs.new; echo x > x; git add x")
        .await;
    assert!(world.gather(&workspace).await.expect("gathered").committed_leftovers);
}

/// What an agent plants so that the host runs it; each writes to the canary when it is executed.
const PLANT: &str = r#"
    printf '#!/bin/sh\necho "$0 $PWD" >> %s\n' "$CANARY" > "$TMPDIR/evil"; chmod +x "$TMPDIR/evil"
    mkdir -p "$P/hooks"
    for hook in pre-push pre-commit commit-msg post-commit post-checkout reference-transaction pre-auto-gc post-index-change post-merge; do cp "$TMPDIR/evil" "$P/hooks/$hook"; done
    git config core.hooksPath "$P/hooks"
    for key in core.fsmonitor core.sshCommand core.editor core.pager diff.external gpg.program credential.helper uploadpack.packObjectsHook core.gitProxy core.askPass core.alternateRefsCommand sequence.editor; do git config "$key" "$TMPDIR/evil"; done
    git config commit.gpgsign true; git config protocol.ext.allow always; git config url."ext::$TMPDIR/evil".insteadOf http
    for kind in clean smudge process; do git config filter.x.$kind "$TMPDIR/evil"; done
    git config diff.x.textconv "$TMPDIR/evil"; git config merge.x.driver "$TMPDIR/evil"; git config alias.upload-pack "!$TMPDIR/evil"
    git config remote.origin.url "ext::$TMPDIR/evil"; git config remote.origin.receivepack "$TMPDIR/evil"; git config remote.origin.uploadpack "$TMPDIR/evil"
    git config include.path "$TMPDIR/more"; printf '[core]\n\tfsmonitor = %s\n' "$TMPDIR/evil" > "$TMPDIR/more"
"#;

#[tokio::test]
async fn what_an_agent_plants_runs_in_the_launcher_or_not_at_all() {
    let world = World::new().await;
    let workspace = world.attempt(1).await;
    world
        .agent(
            &workspace,
            "echo '* filter=x diff=x merge=x' > .gitattributes; echo x > x; git add -A; git commit -qm x",
        )
        .await;
    world.agent(&workspace, PLANT).await;
    let imported = world.import(&workspace).await.expect("imported");
    push(&world.mirror, &world.remote(), &imported, BRANCH, None).await.expect("pushed");
    diff_stat(&world.mirror, &imported.base, &imported.head, 1_000).await.expect("a summary");
    assert!(!world.canary().exists(), "{}", fs::read_to_string(world.canary()).unwrap_or_default());
    // Gathering runs where the agent ran, so its filters may run there; what it planted in the mirror's way must not.
    world.agent(&workspace, "echo y > y").await;
    let _ = world.gather(&workspace).await;
    let ran = fs::read_to_string(world.canary()).unwrap_or_default();
    assert!(!ran.contains(&world.mirror.path().display().to_string()), "{ran}");
    // The bait works: one git of the host's in there would have run it.
    let _ = fs::remove_file(world.canary());
    try_git(&workspace.paths.worktree, &["status", "--short"]);
    assert!(world.canary().exists(), "this test would not have seen it");
    git(world.mirror.path(), &["fsck", "--strict"]);
}

#[tokio::test]
async fn a_repository_that_was_made_to_borrow_from_elsewhere_is_refused() {
    let world = World::new().await;
    // Another repository of the same host, with something that this attempt must not read.
    let private = world.dir.path().join("private");
    fs::create_dir(&private).expect("a directory");
    git(&private, &["init", "-q", "."]);
    fs::write(private.join("s"), "SECRET\n").expect("a file");
    git(&private, &["add", "-A"]);
    git(&private, &["commit", "-qm", "private"]);
    let cases = [
        (
            "echo \"$WORLD/private/.git/objects\" >> $P/objects/info/alternates",
            "borrows objects from elsewhere",
        ),
        (
            "echo \"$WORLD/private/.git/objects\" > $P/objects/info/alternates",
            "borrows objects from elsewhere",
        ),
        ("rm $P/objects/info/alternates", "borrowed objects is gone"),
        ("ln -sf /etc/passwd $P/objects/info/alternates", "borrowed objects is gone"),
        ("mv $P/objects $P/o; ln -s $WORLD/private/.git/objects $P/objects", "`objects` of its repository"),
        (
            "rm -rf $P/objects/pack; ln -s $WORLD/private/.git/objects/pack $P/objects/pack",
            "`objects/pack` of its repository",
        ),
        ("echo \"$WORLD/private/.git\" > $P/commondir", "has a `commondir`"),
        ("mv $P $TMPDIR/p; ln -s $TMPDIR/p $P", "is no directory"),
    ];
    for (number, (script, words)) in cases.into_iter().enumerate() {
        let workspace = world.attempt(u32::try_from(number).expect("small")).await;
        world.agent(&workspace, &format!("echo x > x; git add x; git commit -qm x; {script}")).await;
        let error = world.import(&workspace).await.expect_err(script);
        assert!(matches!(&error, ImportError::Tampered(why) if why.contains(words)), "{script}: {error}");
        assert_eq!(error.kind(), FailureKind::ImportConflict);
    }
}

#[tokio::test]
async fn objects_that_fail_the_check_do_not_come_in() {
    let world = World::new().await;
    let dot_git = "b=$(echo x | git hash-object -w --stdin); t=$(printf '100644 blob %s\\tconfig\\n' $b | git mktree)
        printf '040000 tree %s\\t.git\\n' $t | git mktree > $TMPDIR/t || true
        t=$(cat $TMPDIR/t); c=$(git commit-tree -p HEAD -m evil $t); git update-ref refs/heads/$BRANCH_NAME $c";
    let modules = "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = -u./evil\\n' > .gitmodules; git add .gitmodules; git commit -qm modules";
    let tag = "git tag -a -m t t; echo $(git rev-parse t) > $P/refs/heads/$BRANCH_NAME";
    let blob = "echo $(git hash-object -w README.md) > $P/refs/heads/$BRANCH_NAME";
    let gone = "git update-ref -d refs/heads/$BRANCH_NAME";
    let head = "rm -f $P/HEAD; ln -s /etc/shadow $P/HEAD";
    let missing = "echo x > x; git add x; git commit -qm x; find $P/objects -type f -name '??????????????????????????????????????' -delete";
    for (number, script) in [dot_git, modules, tag, blob, gone, head, missing].into_iter().enumerate() {
        let workspace = world.attempt(u32::try_from(number).expect("small")).await;
        world.agent(&workspace, script).await;
        // Twice: what a refused import left behind must not let the next one pass as "all there already".
        for _ in 0..2 {
            let error = world.import(&workspace).await.expect_err(script);
            assert!(matches!(error, ImportError::Unreadable(_)), "{script}: {error}");
        }
    }
    git(world.mirror.path(), &["fsck", "--strict"]);
}
