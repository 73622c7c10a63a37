//! System calls of packet sockets and of interfaces, each once.
//!
//! `rustix` has none of their options, addresses and requests; `nix` lacks most of them as well. What is unsafe here are calls that are handed
//! a pointer to a plain value and its size.
#![allow(
    unsafe_code,
    reason = "options, addresses and requests that no crate has are handed to the system as plain values"
)]

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// A packet socket that is bound to nothing yet, so that nothing comes.
pub(super) fn packet_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?)
}

/// A socket that interfaces are asked about with.
pub(super) fn control_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

/// Plain values that the system may read and write as bytes.
///
/// # Safety
/// Any bytes are a value of the type.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: they are made of integers.
unsafe impl Plain for c_int {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_req3 {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_stats_v3 {}
// SAFETY: as above.
unsafe impl Plain for libc::packet_mreq {}

/// Sets an option of a socket.
pub(super) fn set<T: Plain>(socket: BorrowedFd<'_>, option: c_int, value: &T) -> io::Result<()> {
    set_at(socket, libc::SOL_PACKET, option, std::ptr::from_ref(value).cast(), size_of::<T>())
}

fn set_at(socket: BorrowedFd<'_>, level: c_int, option: c_int, value: *const c_void, len: usize) -> io::Result<()> {
    let len = libc::socklen_t::try_from(len).unwrap_or(0);
    // SAFETY: the value is there for the call, and has as many bytes as is said.
    done(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, len) }).map(drop)
}

/// An option of a packet socket.
pub(super) fn get<T: Plain>(socket: BorrowedFd<'_>, option: c_int) -> io::Result<T> {
    // SAFETY: zeros are a value of a plain type.
    let mut value: T = unsafe { zeroed() };
    let mut len = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the system writes at most as many bytes as the value has, and any bytes are one.
    done(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            std::ptr::from_mut(&mut value).cast(),
            &raw mut len,
        )
    })?;
    Ok(value)
}

/// Binds a packet socket to an interface: from now on all of its packets come.
pub(super) fn bind(socket: BorrowedFd<'_>, index: c_int) -> io::Result<()> {
    // SAFETY: zeros are an address.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(0);
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or(0).to_be();
    address.sll_ifindex = index;
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
    // SAFETY: the address is there for the call, and has as many bytes as is said.
    done(unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) }).map(drop)
}

/// A statement of a filter: code, jumps, value.
pub(super) type Statement = (u16, u8, u8, u32);

/// What a program of statements is given to.
#[derive(Clone, Copy)]
pub(super) enum Program {
    /// It says how much of a packet is taken.
    Filter,
    /// It says which socket of a group takes a packet.
    Spread,
}

/// Gives a socket a program.
pub(super) fn attach(socket: BorrowedFd<'_>, statements: &[Statement], to: Program) -> io::Result<()> {
    let statement = |&(code, jt, jf, k): &Statement| libc::sock_filter { code, jt, jf, k };
    let mut statements: Vec<libc::sock_filter> = statements.iter().map(statement).collect();
    let len = u16::try_from(statements.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = libc::sock_fprog { len, filter: statements.as_mut_ptr() };
    let (level, option) = match to {
        Program::Filter => (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER),
        Program::Spread => (libc::SOL_PACKET, libc::PACKET_FANOUT_DATA),
    };
    set_at(socket, level, option, std::ptr::from_ref(&program).cast(), size_of::<libc::sock_fprog>())
}

/// What is asked of an interface.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// Its number.
    Index,
    /// Whether it is up, and more: `IFF_UP` …
    Flags,
    /// Bytes of its longest packets.
    Mtu,
    /// What kind of link it is: `ARPHRD_ETHER` …
    Kind,
}

/// Asks the system about an interface.
pub(super) fn ask(control: BorrowedFd<'_>, name: &str, what: Ask) -> io::Result<u32> {
    let mut request = request(name)?;
    let call = match what {
        Ask::Index => libc::SIOCGIFINDEX,
        Ask::Flags => libc::SIOCGIFFLAGS,
        Ask::Mtu => libc::SIOCGIFMTU,
        Ask::Kind => libc::SIOCGIFHWADDR,
    };
    // SAFETY: the request is there for the call, which fills in the part that it asks for.
    done(unsafe { libc::ioctl(control.as_raw_fd(), call, &raw mut request) })?;
    // SAFETY: that part was written.
    let answer = unsafe {
        match what {
            Ask::Index => request.ifr_ifru.ifru_ifindex.unsigned_abs(),
            Ask::Flags => u32::from(request.ifr_ifru.ifru_flags.cast_unsigned()),
            Ask::Mtu => request.ifr_ifru.ifru_mtu.unsigned_abs(),
            Ask::Kind => u32::from(request.ifr_ifru.ifru_hwaddr.sa_family),
        }
    };
    Ok(answer)
}

/// Asks or tells the driver of an interface with a command of one value: `ETHTOOL_GGRO` …
pub(super) fn driver(control: BorrowedFd<'_>, name: &str, command: u32, value: u32) -> io::Result<u32> {
    let mut both = [command, value];
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = both.as_mut_ptr().cast();
    // SAFETY: commands of one value read and write those two words, which are there for the call.
    done(unsafe { libc::ioctl(control.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) })?;
    // The system wrote behind the compiler's back.
    Ok(std::hint::black_box(both)[1])
}

/// Asks a card to note when each packet came.
pub(super) fn note_times(control: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut how = [0, libc::HWTSTAMP_TX_OFF, libc::HWTSTAMP_FILTER_ALL];
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = how.as_mut_ptr().cast();
    // SAFETY: the three words are what the call reads and writes, and are there for it.
    done(unsafe { libc::ioctl(control.as_raw_fd(), libc::SIOCSHWTSTAMP, &raw mut request) }).map(drop)
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: zeros are a request.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // The last one ends the name.
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = c_char::from_ne_bytes([byte]);
    }
    Ok(request)
}

fn done(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_loopback_is_there_and_a_name_that_is_too_long_is_not() {
        let control = control_socket().unwrap();
        let ask = |name, what| ask(control.as_fd(), name, what);
        assert!(ask("lo", Ask::Index).unwrap() > 0);
        assert_eq!(ask("lo", Ask::Kind).unwrap(), u32::from(libc::ARPHRD_LOOPBACK));
        assert!(ask("lo", Ask::Mtu).unwrap() >= 1_500);
        for name in ["no-such-thing", "a-name-that-is-far-too-long"] {
            assert_eq!(ask(name, Ask::Flags).unwrap_err().raw_os_error(), Some(libc::ENODEV));
        }
    }
}
