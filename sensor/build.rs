//! Lets the program know the commit that it is built from.
#![allow(clippy::print_stdout, reason = "that is how cargo is spoken to")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TAPWIRE_COMMIT");
    let said = std::env::var("TAPWIRE_COMMIT").ok();
    println!(
        "cargo::rustc-env=TAPWIRE_COMMIT={}",
        said.or_else(of_release).unwrap_or_else(|| "a build for tests".into())
    );
}

/// The commit, for what goes out: a build for tests is not made again for each one.
fn of_release() -> Option<String> {
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return None;
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let Some(commit) = git(&["log", "-1", "--format=%h of %cs"]) else { return Some("an unknown commit".into()) };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|files| !files.is_empty());
    Some(if changed { format!("{commit}, changed") } else { commit })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
