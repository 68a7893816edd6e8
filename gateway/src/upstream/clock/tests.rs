use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{advance, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn line() -> (Timed<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1024);
    (Timed::new(ours), theirs)
}

async fn read(line: &mut Timed<DuplexStream>) -> (Duration, io::Result<u8>) {
    let began = Instant::now();
    let byte = line.read_u8().await;
    (began.elapsed(), byte)
}

/// Timers tick in milliseconds.
fn about(measured: Duration, meant: Duration) {
    assert!(measured >= meant && measured < meant + SECOND / 100, "{measured:?} is not {meant:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_before_the_answer_is_cut_by_first_byte() {
    for idle in [SECOND / 2, 60 * SECOND] {
        let (mut line, _theirs) = line();
        let watch = line.clock().watch(3 * SECOND, idle);
        assert!(!watch.ran_out());
        let (took, byte) = read(&mut line).await;
        about(took, 3 * SECOND);
        assert_eq!(byte.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(watch.ran_out());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_within_the_answer_is_cut_by_stream_idle() {
    for first_byte in [SECOND, 180 * SECOND] {
        let (mut line, mut theirs) = line();
        let watch = line.clock().watch(first_byte, 3 * SECOND);
        let ((_, byte), ()) = tokio::join!(read(&mut line), async {
            sleep(first_byte / 2).await;
            theirs.write_u8(1).await.unwrap();
        });
        assert_eq!(byte.unwrap(), 1);
        for _ in 0..4 {
            let ((_, byte), ()) = tokio::join!(read(&mut line), async {
                sleep(2 * SECOND).await;
                theirs.write_u8(2).await.unwrap();
            });
            assert_eq!(byte.unwrap(), 2);
        }
        assert!(!watch.ran_out());
        about(read(&mut line).await.0, 3 * SECOND);
        assert!(watch.ran_out());
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_not_silence() {
    let (mut line, _theirs) = line();
    let _watch = line.clock().watch(SECOND, SECOND);
    let began = Instant::now();
    for _ in 0..8 {
        tokio::select! {
            biased;
            (_, byte) = read(&mut line) => panic!("cut while writing: {byte:?}"),
            () = sleep(SECOND * 9 / 10) => line.write_all(b"piece").await.unwrap(),
        }
    }
    let _ = read(&mut line).await;
    about(began.elapsed(), SECOND * 9 / 10 * 8 + SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_listens_to_is_not_silence() {
    let (mut line, mut theirs) = line();
    let _watch = line.clock().watch(SECOND, SECOND);
    theirs.write_u8(1).await.unwrap();
    assert_eq!(read(&mut line).await.1.unwrap(), 1);
    advance(60 * SECOND).await;
    about(read(&mut line).await.0, SECOND);
}

#[tokio::test(start_paused = true)]
async fn rests_between_requests() {
    let (mut line, mut theirs) = line();
    drop(line.clock().watch(SECOND, SECOND));
    tokio::select! {
        biased;
        (_, byte) = read(&mut line) => panic!("cut in the pool: {byte:?}"),
        () = sleep(600 * SECOND) => {}
    }
    let watch = line.clock().watch(SECOND, SECOND);
    about(read(&mut line).await.0, SECOND);
    assert!(watch.ran_out());
    let next = line.clock().watch(5 * SECOND, SECOND);
    drop(watch);
    assert!(!next.ran_out(), "one request's timeout is not the next one's");
    about(read(&mut line).await.0, 5 * SECOND);
    theirs.write_u8(1).await.unwrap();
    assert_eq!(read(&mut line).await.1.unwrap(), 1, "bytes are worth more than the clock");
}

#[tokio::test(start_paused = true)]
async fn an_eternity_is_allowed() {
    let (mut line, _theirs) = line();
    let _watch = line.clock().watch(Duration::MAX, Duration::MAX);
    tokio::select! {
        biased;
        (_, byte) = read(&mut line) => panic!("{byte:?}"),
        () = sleep(3600 * SECOND) => {}
    }
}
