//! For a build that is a trial: what a thread could do if somebody took it over.
//!
//! A packet with [`MAGIC`] in it makes its worker try all of this, and say what came of it.

use std::ffi::CString;
use std::fs::File;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::sys::ptrace;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// What stands in the payload of the packet.
pub const MAGIC: &[u8] = b"tapwire, try the doors";

/// Tries the doors where one of some packets is the magic one, and tells on standard error.
#[expect(clippy::print_stderr, reason = "a trial reads it")]
pub fn look_for_magic<'p>(packets: impl Iterator<Item = &'p [u8]>) {
    if packets.into_iter().any(|packet| packet.windows(MAGIC.len()).any(|bytes| bytes == MAGIC)) {
        for (what, result) in try_doors() {
            let told = result.map_or_else(|error| format!("refused: {error}"), |()| "DONE".to_owned());
            eprintln!("magic packet: {what}: {told}");
        }
    }
}

/// Tries to get out by every way that is known; each with what the system said.
pub fn try_doors() -> Vec<(&'static str, Result<(), String>)> {
    fn told<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<(), String> {
        result.map(drop).map_err(|error| error.to_string())
    }
    let exec = || nix::unistd::execv(c"/bin/true", &[CString::default()]);
    vec![
        ("read a file", told(File::open("/etc/passwd"))),
        ("read its own records", told(std::fs::read_dir("."))),
        ("make a file", told(File::create("/tmp/tapwire-was-here"))),
        ("connect", told(TcpStream::connect("127.0.0.1:9"))),
        ("connect locally", told(UnixStream::connect("/run/systemd/notify"))),
        ("send a datagram", told(UdpSocket::bind("0.0.0.0:0"))),
        ("start a program", told(Command::new("/bin/true").spawn())),
        ("become a program", told(exec())),
        ("trace a process", told(ptrace::attach(nix::unistd::getppid()))),
        ("open a raw socket", told(socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None))),
        (
            "open a raw IP socket",
            told(socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Icmp)),
        ),
        ("start a thread", told(std::thread::Builder::new().spawn(|| {}))),
        ("become root", told(nix::unistd::setuid(nix::unistd::Uid::from_raw(0)))),
        ("leave its namespace", told(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER))),
        ("copy an open file", told(std::io::stderr().as_fd().try_clone_to_owned())),
    ]
}
