#!/bin/sh
# Makes database.gz: libmagic's database of file types, compiled for the library that reads it (pure-magic, of the version in Cargo.lock).
# It is kept here because the crate that would compile it with the program, magic-db, needs another one under the GPL to do so. Needs cargo.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
version=$(sed -n '/^name = "pure-magic"/{n;s/version = "\(.*\)"/\1/p}' ../../Cargo.lock)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cargo init --quiet --name database
cargo add --quiet magic-db "pure-magic@=$version"
cat >src/main.rs <<'RUST'
fn main() {
    let path = std::env::args().nth(1).expect("a path");
    let mut file = std::fs::File::create(path).expect("a file");
    magic_db::load().expect("the database").serialize(&mut file).expect("room for it");
}
RUST
cargo run --quiet --release -- "$here/database.gz"
