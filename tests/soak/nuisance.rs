//! Clients that behave badly. What they get for it is of no interest here, only that nobody else notices.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use socket2::SockRef;

use crate::image::Image;
use crate::tally::Tally;
use crate::wire::dice::Dice;

/// A deed, with a request for a blob to do it with.
type Deed = fn(&mut TcpStream, &str, &mut Dice) -> std::io::Result<()>;

const DEEDS: [Deed; 10] = [
    talk_nonsense,
    speak_tls,
    send_half_a_head,
    send_two_lengths,
    send_a_huge_head,
    send_bytewise,
    pipeline,
    leave_in_the_middle,
    reset_in_the_middle,
    read_slowly,
];

/// One bad deed after another until the time is over.
pub(crate) fn run(addr: SocketAddr, number: u64, image: &Image, tally: &Tally) {
    let mut dice = Dice::new(1000 + number);
    let target = format!("/v2/rough/nuisance/blobs/{}", image.largest());
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: docxy\r\nAuthorization: Bearer soak\r\n\r\n");
    while !tally.is_over() {
        let deed = dice.pick(&DEEDS);
        let mut tcp = match TcpStream::connect(addr) {
            Ok(tcp) => tcp,
            Err(error) => return tally.complain(&format!("docxy takes no connection: {error}")),
        };
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Whoever behaves badly is cut off, sooner or later.
        let _ = deed(&mut tcp, &request, &mut dice);
        tally.annoyed();
        sleep(Duration::from_millis(dice.throw(200) as u64));
    }
}

fn talk_nonsense(tcp: &mut TcpStream, _: &str, dice: &mut Dice) -> std::io::Result<()> {
    let bytes: Vec<u8> = (0..dice.throw(5000))
        .map(|_| u8::try_from(dice.throw(256)).unwrap())
        .collect();
    tcp.write_all(&bytes)?;
    tcp.read_to_end(&mut Vec::new()).map(drop)
}

fn speak_tls(tcp: &mut TcpStream, _: &str, _: &mut Dice) -> std::io::Result<()> {
    tcp.write_all(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03")?;
    tcp.read_to_end(&mut Vec::new()).map(drop)
}

fn send_half_a_head(tcp: &mut TcpStream, request: &str, dice: &mut Dice) -> std::io::Result<()> {
    let half = dice.throw(request.len());
    tcp.write_all(&request.as_bytes()[..half])?;
    sleep(Duration::from_millis(dice.throw(1000) as u64));
    Ok(())
}

fn send_two_lengths(tcp: &mut TcpStream, _: &str, _: &mut Dice) -> std::io::Result<()> {
    tcp.write_all(
        b"GET /v2/ HTTP/1.1\r\nHost: docxy\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )?;
    tcp.read_to_end(&mut Vec::new()).map(drop)
}

fn send_a_huge_head(tcp: &mut TcpStream, _: &str, _: &mut Dice) -> std::io::Result<()> {
    let padding = "p".repeat(100_000);
    write!(
        tcp,
        "GET /v2/ HTTP/1.1\r\nHost: docxy\r\nX-Pad: {padding}\r\n\r\n"
    )?;
    tcp.read_to_end(&mut Vec::new()).map(drop)
}

fn send_bytewise(tcp: &mut TcpStream, request: &str, _: &mut Dice) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    request
        .bytes()
        .try_for_each(|byte| tcp.write_all(&[byte]))?;
    tcp.read_exact(&mut [0; 100])
}

fn pipeline(tcp: &mut TcpStream, _: &str, dice: &mut Dice) -> std::io::Result<()> {
    let health = b"GET /health HTTP/1.1\r\nHost: docxy\r\n\r\n";
    tcp.write_all(&health.repeat(dice.throw(500)))?;
    tcp.read_exact(&mut [0; 50])
}

fn leave_in_the_middle(tcp: &mut TcpStream, request: &str, dice: &mut Dice) -> std::io::Result<()> {
    tcp.write_all(request.as_bytes())?;
    let mut some = vec![0; dice.throw(1_000_000)];
    tcp.read_exact(&mut some)
}

fn reset_in_the_middle(tcp: &mut TcpStream, request: &str, dice: &mut Dice) -> std::io::Result<()> {
    leave_in_the_middle(tcp, request, dice)?;
    SockRef::from(&*tcp).set_linger(Some(Duration::ZERO))
}

/// Slower than docxy has patience.
fn read_slowly(tcp: &mut TcpStream, request: &str, _: &mut Dice) -> std::io::Result<()> {
    tcp.write_all(request.as_bytes())?;
    sleep(Duration::from_secs(5));
    tcp.read_exact(&mut [0; 1000])
}
