//! Repositories that live in memory: commits, trees and refs without a git process, for worlds that are made by the
//! thousand. Nothing can be fetched from them or pushed to them; files are committed through the simulator's hands.

use super::git::{CommitInfo, FileChange, Signature, TreeEntry};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Blob ids by path.
type Files = BTreeMap<String, String>;

/// Who made a commit, when, and what it says.
pub(super) struct Author<'a> {
    pub name: &'a str,
    pub email: &'a str,
    pub when: Timestamp,
    pub message: &'a str,
}

/// The objects and refs of one repository.
#[derive(Debug, Default)]
pub(super) struct Memory {
    commits: BTreeMap<String, CommitInfo>,
    trees: BTreeMap<String, Files>,
    blobs: BTreeMap<String, Vec<u8>>,
    refs: BTreeMap<String, String>,
}

impl Memory {
    /// The commit that a revision names: a full ref, a branch, or an id.
    pub fn resolve(&self, rev: &str) -> Option<String> {
        let named = self.refs.get(rev).or_else(|| self.refs.get(&format!("refs/heads/{rev}")));
        named.cloned().or_else(|| self.commits.contains_key(rev).then(|| rev.to_owned()))
    }

    pub fn object_type(&self, sha: &str) -> Option<String> {
        let kind = if self.commits.contains_key(sha) {
            "commit"
        } else if self.trees.contains_key(sha) {
            "tree"
        } else if self.blobs.contains_key(sha) {
            "blob"
        } else {
            return None;
        };
        Some(kind.to_owned())
    }

    pub fn refs(&self) -> BTreeMap<String, String> {
        self.refs.clone()
    }

    /// Creates or moves a ref whose present value is `old`; `None` for none. False when it is another.
    pub fn update_ref(&mut self, name: &str, new: &str, old: Option<&str>) -> bool {
        let fits = self.refs.get(name).map(String::as_str) == old && self.commits.contains_key(new);
        if fits {
            self.refs.insert(name.to_owned(), new.to_owned());
        }
        fits
    }

    pub fn delete_ref(&mut self, name: &str) {
        self.refs.remove(name);
    }

    fn ancestors(&self, of: &str) -> BTreeSet<String> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![of.to_owned()]);
        while let Some(sha) = open.pop() {
            if let Some(commit) = self.commits.get(&sha)
                && seen.insert(sha)
            {
                open.extend(commit.parents.iter().cloned());
            }
        }
        seen
    }

    pub fn is_ancestor(&self, ancestor: &str, descendant: &str) -> bool {
        match (self.resolve(ancestor), self.resolve(descendant)) {
            (Some(ancestor), Some(descendant)) => self.ancestors(&descendant).contains(&ancestor),
            _ => false,
        }
    }

    /// The common ancestor that has the most ancestors itself.
    pub fn merge_base(&self, a: &str, b: &str) -> Option<String> {
        let (a, b) = (self.ancestors(&self.resolve(a)?), self.ancestors(&self.resolve(b)?));
        a.intersection(&b).max_by_key(|sha| self.ancestors(sha).len()).cloned()
    }

    /// How many commits are only in `a`, and only in `b`.
    pub fn left_right(&self, a: &str, b: &str) -> Option<(u64, u64)> {
        let (a, b) = (self.ancestors(&self.resolve(a)?), self.ancestors(&self.resolve(b)?));
        Some((a.difference(&b).count() as u64, b.difference(&a).count() as u64))
    }

    pub fn commit(&self, sha: &str) -> Option<CommitInfo> {
        self.commits.get(sha).cloned()
    }

    /// The commits of `head` that `base` has not, oldest first.
    pub fn commits_between(&self, base: &str, head: &str) -> Option<Vec<CommitInfo>> {
        let known = self.ancestors(&self.resolve(base)?);
        let mut new: Vec<&CommitInfo> = self
            .ancestors(&self.resolve(head)?)
            .difference(&known)
            .filter_map(|c| self.commits.get(c))
            .collect();
        new.sort_by_key(|c| self.ancestors(&c.sha).len());
        Some(new.into_iter().cloned().collect())
    }

    fn files(&self, rev: &str) -> Option<&Files> {
        self.trees.get(&self.commits.get(&self.resolve(rev)?)?.tree)
    }

    /// The files that differ. A moved file shows as one that was removed and one that was added.
    pub fn changed_files(&self, base: &str, head: &str) -> Option<Vec<FileChange>> {
        let (old, new) = (self.files(base)?, self.files(head)?);
        let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let lines = |blob: Option<&String>| {
            let bytes = blob.and_then(|b| self.blobs.get(b)).map_or(&[][..], Vec::as_slice);
            bytes.iter().filter(|b| **b == b'\n').count() as u64
        };
        let change = |path: &String| {
            let (before, after) = (old.get(path), new.get(path));
            let status = match (before, after) {
                (before, after) if before == after => return None,
                (None, _) => "added",
                (_, None) => "removed",
                _ => "modified",
            };
            Some(FileChange {
                path: path.clone(),
                previous: None,
                status,
                blob: after.cloned(),
                additions: lines(after),
                deletions: lines(before),
            })
        };
        Some(paths.into_iter().filter_map(change).collect())
    }

    /// The entries at a path of a commit, as `git ls-tree` lists them.
    pub fn tree(&self, rev: &str, path: &str) -> Option<Vec<TreeEntry>> {
        let files = self.files(rev)?;
        let blob = |path: &str, sha: &String| TreeEntry {
            mode: "100644".to_owned(),
            kind: "blob".to_owned(),
            sha: sha.clone(),
            size: self.blobs.get(sha).map_or(0, |b| b.len() as u64),
            path: path.to_owned(),
        };
        if let Some(sha) = files.get(path) {
            return Some(vec![blob(path, sha)]);
        }
        let inside =
            if path.is_empty() || path.ends_with('/') { path.to_owned() } else { format!("{path}/") };
        let below = files.iter().filter(|(p, _)| p.starts_with(&inside));
        let directory = |path: String| TreeEntry {
            mode: "040000".to_owned(),
            kind: "tree".to_owned(),
            sha: digest(&[b"tree", path.as_bytes()]),
            size: 0,
            path,
        };
        if inside.len() != path.len() {
            return Some(below.take(1).map(|_| directory(path.to_owned())).collect());
        }
        let mut entries: BTreeMap<String, TreeEntry> = BTreeMap::new();
        for (full, sha) in below {
            let entry = match full[inside.len()..].split_once('/') {
                None => blob(full, sha),
                Some((name, _)) => directory(format!("{inside}{name}")),
            };
            entries.entry(entry.path.clone()).or_insert(entry);
        }
        Some(entries.into_values().collect())
    }

    pub fn blob(&self, sha: &str) -> Option<Vec<u8>> {
        self.blobs.get(sha).cloned()
    }

    /// Commits files onto a branch (made from nothing when it has no commit); `None` deletes a file.
    pub fn commit_files(
        &mut self,
        branch: &str,
        author: &Author<'_>,
        changes: &[(String, Option<Vec<u8>>)],
    ) -> String {
        let full = format!("refs/heads/{branch}");
        let parent = self.resolve(&full);
        let mut files = parent.as_deref().and_then(|p| self.files(p)).cloned().unwrap_or_default();
        for (path, content) in changes {
            match content {
                None => drop(files.remove(path)),
                Some(content) => {
                    let sha = digest(&[b"blob", content]);
                    self.blobs.insert(sha.clone(), content.clone());
                    files.insert(path.clone(), sha);
                }
            }
        }
        let tree = self.keep_tree(files);
        let parents: Vec<&str> = parent.as_deref().into_iter().collect();
        let sha = self.commit_tree(&tree, &parents, author);
        self.refs.insert(full, sha.clone());
        sha
    }

    fn keep_tree(&mut self, files: Files) -> String {
        let text: String = files.iter().map(|(path, sha)| format!("{sha} {path}\n")).collect();
        let sha = digest(&[b"files", text.as_bytes()]);
        self.trees.insert(sha.clone(), files);
        sha
    }

    /// The tree that merging the two commits gives; `None` when both changed a file differently.
    pub fn merged_tree(&mut self, base: &str, head: &str) -> Option<String> {
        let start = self.merge_base(base, head)?;
        let (start, ours, theirs) = (self.files(&start)?, self.files(base)?, self.files(head)?);
        let paths: BTreeSet<&String> = start.keys().chain(ours.keys()).chain(theirs.keys()).collect();
        let mut merged = Files::new();
        for path in paths {
            let (old, our, their) = (start.get(path), ours.get(path), theirs.get(path));
            let kept = match () {
                () if our == their || their == old => our,
                () if our == old => their,
                () => return None,
            };
            if let Some(sha) = kept {
                merged.insert(path.clone(), sha.clone());
            }
        }
        Some(self.keep_tree(merged))
    }

    /// Makes a commit of a tree that is there.
    pub fn commit_tree(&mut self, tree: &str, parents: &[&str], author: &Author<'_>) -> String {
        let who = Signature {
            name: author.name.to_owned(),
            email: author.email.to_owned(),
            date: super::json::time(author.when),
        };
        let text = format!("{tree}\n{}\n{}\n{}", parents.join(" "), who.email, who.date);
        let sha = digest(&[b"commit", text.as_bytes(), author.message.as_bytes()]);
        let commit = CommitInfo {
            sha: sha.clone(),
            tree: tree.to_owned(),
            parents: parents.iter().map(|p| (*p).to_owned()).collect(),
            author: who.clone(),
            committer: who,
            message: author.message.trim_end().to_owned(),
        };
        self.commits.insert(sha.clone(), commit);
        sha
    }
}

/// Forty hexadecimal digits that stand for these bytes.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(20).map(|b| format!("{b:02x}")).collect()
}
