//! Plain HTTP/1.

use super::*;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

fn short_head() -> EdgeLimits {
    EdgeLimits { header_timeout: SHORT, ..EdgeLimits::default() }
}

#[tokio::test]
async fn requests_with_bodies_share_a_connection() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let mut client = bench.connect().await;
    let chunked = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let large = [&b"POST /d HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"[..], &vec![b'x'; 300_000]]
        .concat();
    for (request, expected) in [
        (GET, "GET /a 0"),
        (b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "POST /b 2"),
        (chunked, "POST /c 3"),
        (&large, "POST /d 300000"),
        (GET, "GET /a 0"),
    ] {
        client.write_all(request).await.unwrap();
        let (status, body) = answer(&mut client).await;
        assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", expected));
    }
    assert_eq!(bench.edge.connections(), 1);
    assert_eq!(*bench.notes.opened.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_head_in_pieces_passes() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let mut client = bench.connect().await;
    for request in [GET, &b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"[..]] {
        for byte in request {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(answer(&mut client).await.0, "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn a_bad_head_gets_the_witnesss_answer_and_no_request() {
    for bad in [
        &b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..],
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let bench = Bench::plain(EdgeLimits::default()).await;
        let mut client = bench.connect().await;
        client.write_all(bad).await.unwrap();
        let all = to_end(&mut client).await;
        assert!(all.starts_with("HTTP/1.1 400 no\r\n") && all.ends_with("bad_request"), "{all}");
        assert_eq!(bench.app.seen(), Vec::<String>::new());
        assert_eq!(bench.refused(), [Code::BadRequest]);
    }
}

#[tokio::test]
async fn a_bad_head_is_refused_on_a_used_connection_too() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let mut client = bench.connect().await;
    client.write_all(GET).await.unwrap();
    answer(&mut client).await;
    client.write_all(b"GET /b HTTP/1.1\r\nHost: a\r\nX_Y: z\r\n\r\n").await.unwrap();
    assert!(to_end(&mut client).await.ends_with("bad_request"));
    assert_eq!(bench.app.seen(), ["GET /a"]);
}

#[tokio::test]
async fn a_pipelined_head_does_not_get_past_the_check() {
    let smuggled = b"GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let with_body = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    let fills_the_first_read = {
        let start = b"GET /a HTTP/1.1\r\nHost: a\r\nX: ";
        [&start[..], &vec![b'x'; 4096 - start.len() - 4], b"\r\n\r\n"].concat()
    };
    for first in [GET, with_body, &fills_the_first_read] {
        let bench = Bench::plain(EdgeLimits::default()).await;
        let mut client = bench.connect().await;
        client.write_all(&[first, smuggled].concat()).await.unwrap();
        let all = to_end(&mut client).await;
        assert!(all.starts_with("HTTP/1.1 200 OK\r\n"), "{all}");
        assert_eq!(bench.app.seen().len(), 1, "{:?}", bench.app.seen());
    }
}

#[tokio::test]
async fn an_upgraded_connection_is_left_alone() {
    let bench =
        Bench::plain(EdgeLimits { idle: SHORT, header_timeout: SHORT, ..EdgeLimits::default() }).await;
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    *bench.app.upstream.lock().unwrap() = Some(upstream.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut tcp, _) = upstream.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        tcp.write_all(switch).await.unwrap();
        let (mut reading, mut writing) = tcp.split();
        let _ = tokio::io::copy(&mut reading, &mut writing).await;
    });
    let mut client = bench.connect().await;
    let upgrade = b"GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(upgrade).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LONG, client.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    pass(SHORT * 2).await;
    // Bytes that no head may have, after a pause that no head may take.
    let frame = b"GET / HTTP/1.0\n\x00\xff\n\n";
    client.write_all(frame).await.unwrap();
    let mut echo = [0; 19];
    timeout(LONG, client.read_exact(&mut echo)).await.unwrap().unwrap();
    assert_eq!(&echo, frame);
    assert!(bench.refused().is_empty());
}

#[tokio::test]
async fn the_answer_survives_a_client_that_keeps_sending() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let mut client = bench.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut client).await.1, "bad_request");
    // A closed socket would reset the connection at the first of these.
    for _ in 0..48 {
        client.write_all(&[b'x'; 16 * 1024]).await.expect("the server still reads");
        tokio::task::yield_now().await;
    }
    assert_eq!(to_end(&mut client).await, "");
}

#[tokio::test]
async fn a_dribbled_head_gets_408_when_its_time_is_over() {
    let bench = Bench::plain(short_head()).await;
    let mut client = bench.connect().await;
    let start = Instant::now();
    let all = dribble(&mut client, b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert!(all.starts_with("HTTP/1.1 408 no\r\n"), "{all}");
    assert!(start.elapsed() >= SHORT);
    assert_eq!(bench.refused(), [Code::RequestTimeout]);
    assert!(bench.app.seen().is_empty());
}

#[tokio::test]
async fn a_dribbled_second_head_gets_408_too() {
    let bench = Bench::plain(short_head()).await;
    let mut client = bench.connect().await;
    client.write_all(GET).await.unwrap();
    answer(&mut client).await;
    let all = dribble(&mut client, b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert!(all.starts_with("HTTP/1.1 408 no\r\n"), "{all}");
    assert_eq!(bench.app.seen(), ["GET /a"]);
}

#[tokio::test]
async fn a_silent_connection_is_closed_without_a_word() {
    let bench = Bench::plain(short_head()).await;
    let start = Instant::now();
    assert_eq!(to_end(&mut bench.connect().await).await, "");
    assert!(start.elapsed() >= SHORT);
    assert!(bench.refused().is_empty());
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_deadline_but_not_the_idle_one() {
    let limits = EdgeLimits { header_timeout: SHORT, idle: SHORT * 4, ..EdgeLimits::default() };
    let bench = Bench::plain(limits).await;
    let mut client = bench.connect().await;
    client.write_all(GET).await.unwrap();
    answer(&mut client).await;
    let start = Instant::now();
    assert_eq!(to_end(&mut client).await, "");
    // The client's clock starts a little after the server's.
    assert!(start.elapsed() >= SHORT * 3, "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_header_deadline_starts_with_the_first_byte_after_idleness() {
    let bench = Bench::plain(EdgeLimits { header_timeout: SHORT * 4, ..EdgeLimits::default() }).await;
    let mut client = bench.connect().await;
    client.write_all(GET).await.unwrap();
    answer(&mut client).await;
    pass(SHORT * 5).await;
    let (start, rest) = GET.split_at(10);
    client.write_all(start).await.unwrap();
    pass(SHORT / 5).await;
    client.write_all(rest).await.unwrap();
    assert_eq!(answer(&mut client).await.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn heads_over_the_limits_are_refused() {
    let limits = EdgeLimits { header_bytes: 9000, headers: 3, ..EdgeLimits::default() };
    let long_value = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ".as_slice(), &[b'x'; 9000]].concat();
    let long_target = [b"GET /".as_slice(), &[b'x'; 8192], b" HTTP/1.1\r\n"].concat();
    for (head, expected) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\nE: f\r\n\r\n"[..], Code::HeaderTooLarge),
        (&long_value, Code::HeaderTooLarge),
        (&long_target, Code::UriTooLong),
    ] {
        let bench = Bench::plain(limits).await;
        let mut client = bench.connect().await;
        client.write_all(head).await.unwrap();
        assert!(to_end(&mut client).await.ends_with(expected.name()));
        assert!(bench.app.seen().is_empty());
    }
}

#[tokio::test]
async fn a_connection_ends_after_its_share_of_requests() {
    let bench = Bench::plain(EdgeLimits { requests_per_connection: 2, ..EdgeLimits::default() }).await;
    let mut client = bench.connect().await;
    client.write_all(GET).await.unwrap();
    answer(&mut client).await;
    client.write_all(GET).await.unwrap();
    let all = to_end(&mut client).await.to_ascii_lowercase();
    assert!(all.contains("connection: close\r\n") && all.ends_with("get /a 0"), "{all}");
}

#[tokio::test]
async fn a_peer_has_so_many_connections_and_no_more() {
    let bench = Bench::plain(EdgeLimits { connections_per_ip: 2, ..EdgeLimits::default() }).await;
    let mut held = [bench.connect().await, bench.connect().await];
    for client in &mut held {
        client.write_all(GET).await.unwrap();
        answer(client).await;
    }
    assert_eq!(to_end(&mut bench.connect().await).await, "");
    assert_eq!(*bench.notes.over_cap.lock().unwrap(), 1);
    let [one, _two] = held;
    drop(one);
    timeout(LONG, bench.notes.told.notified()).await.expect("the place is given back");
    let mut again = bench.connect().await;
    again.write_all(GET).await.unwrap();
    answer(&mut again).await;
}

#[tokio::test]
async fn changed_limits_hold_from_the_next_request_on() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let mut client = bench.connect().await;
    client.write_all(GET).await.unwrap();
    answer(&mut client).await;
    let limits = EdgeLimits { headers: 0, ..EdgeLimits::default() };
    bench.edge.settings.store(Arc::new(EdgeSettings { limits, tls: None }));
    // The wait for this head began under the old limits.
    client.write_all(GET).await.unwrap();
    answer(&mut client).await;
    client.write_all(GET).await.unwrap();
    assert!(to_end(&mut client).await.ends_with("header_too_large"));
}

#[tokio::test]
async fn a_drain_lets_a_running_answer_finish() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let (mut slow, mut idle) = (bench.connect().await, bench.connect().await);
    idle.write_all(GET).await.unwrap();
    answer(&mut idle).await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(LONG, bench.app.started.notified()).await.unwrap();

    let edge = Arc::clone(&bench.edge);
    let drain = tokio::spawn(async move { edge.drain(LONG).await });
    assert_eq!(to_end(&mut idle).await, "", "an idle connection ends at once");
    assert!(!drain.is_finished());
    bench.app.release.notify_one();
    assert_eq!(answer(&mut slow).await.1, "GET /slow 0");
    assert_eq!(to_end(&mut slow).await, "");
    drop((slow, idle));
    assert_eq!(timeout(LONG, drain).await.unwrap().unwrap(), 0);
    assert!(TcpStream::connect(bench.address).await.is_err(), "the socket is closed");
    assert_eq!(*bench.notes.opened.lock().unwrap(), *bench.notes.closed.lock().unwrap());
}

#[tokio::test]
async fn a_drain_waits_for_a_head_that_has_begun() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let mut client = bench.connect().await;
    let (start, rest) = GET.split_at(10);
    client.write_all(start).await.unwrap();
    pass(SHORT / 3).await;
    let edge = Arc::clone(&bench.edge);
    let drain = tokio::spawn(async move { edge.drain(LONG).await });
    pass(SHORT / 3).await;
    client.write_all(rest).await.unwrap();
    let all = to_end(&mut client).await.to_ascii_lowercase();
    assert!(all.contains("connection: close\r\n") && all.ends_with("get /a 0"), "{all}");
    drop(client);
    assert_eq!(timeout(LONG, drain).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_drain_cuts_what_is_left_at_its_deadline() {
    let bench = Bench::plain(EdgeLimits::default()).await;
    let mut slow = bench.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(LONG, bench.app.started.notified()).await.unwrap();
    assert_eq!(bench.edge.drain(SHORT).await, 1);
    assert_eq!(to_end(&mut slow).await, "");
}
