//! How many written bytes the kernel still holds, where that can be learned without a system call of our
//! own.

use std::io;

use mio::net::TcpStream;

/// Bytes of this socket that were written and not acknowledged by the other end's kernel; `None` where this
/// system does not say.
///
/// Linux has a call for it (`SIOCOUTQ`), and the same number in its list of sockets, which needs no `unsafe`.
/// The list is read only while an answer is awaited. Android shows it to no app.
#[cfg(target_os = "linux")]
pub(super) fn bytes_queued(socket: &TcpStream) -> Option<u64> {
    let inode = rustix::fs::fstat(socket).ok()?.st_ino;
    let list = if socket.local_addr().ok()?.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    let lines = io::BufRead::lines(io::BufReader::new(std::fs::File::open(list).ok()?));
    lines.map_while(Result::ok).find_map(|line| queued_of(&line, inode))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn bytes_queued(_: &TcpStream) -> Option<u64> {
    None
}

/// The length of the send queue in a line of the list, if it is this socket's.
/// `Documentation/networking/proc_net_tcp.rst` has the columns: the fifth is `tx_queue:rx_queue`, the tenth
/// the inode.
#[cfg(target_os = "linux")]
fn queued_of(line: &str, inode: u64) -> Option<u64> {
    let mut columns = line.split_ascii_whitespace().skip(4);
    let queues = columns.next()?;
    if columns.nth(4)?.parse() != Ok(inode) {
        return None;
    }
    u64::from_str_radix(queues.split_once(':')?.0, 16).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream as Blocking};

    use super::*;

    #[test]
    fn a_line_is_read_by_its_columns() {
        let line = "   0: 0100007F:1538 0100007F:A1C2 01 00000A10:00000000 01:00000015 00000000  1000        0 4711 2 x";
        assert_eq!(queued_of(line, 4711), Some(0xa10));
        for other in
            [queued_of(line, 4712), queued_of("  sl  local_address rem_address", 4711), queued_of("", 0)]
        {
            assert_eq!(other, None);
        }
    }

    #[test]
    fn what_the_other_end_does_not_take_is_in_the_queue() {
        for host in ["127.0.0.1", "::1"] {
            let Ok(listener) = TcpListener::bind((host, 0)) else { continue };
            let ours = Blocking::connect(listener.local_addr().unwrap()).unwrap();
            let (mut theirs, _) = listener.accept().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut ours = TcpStream::from_std(ours);
            assert_eq!(bytes_queued(&ours), Some(0));
            let mut written = 0;
            while let Ok(count) = ours.write(&[0; 65_536]) {
                written += count;
            }
            let before = bytes_queued(&ours).unwrap();
            assert!(before > 0 && before <= written as u64, "{before} of {written}");
            let mut taken = vec![0; written];
            theirs.read_exact(&mut taken).unwrap();
            while bytes_queued(&ours).unwrap() > 0 {
                std::thread::yield_now();
            }
        }
    }
}
