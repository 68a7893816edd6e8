use super::*;
use crate::config::load::{Purpose, load};

const ANY: Ports = Ports { https: 0, http: 0, admin: 0 };

#[test]
fn what_it_writes_loads_to_serve_and_passes_its_own_tests() {
    let demo = Demo::set_up(ANY).unwrap();
    let loaded =
        load(demo.config(), Purpose::Serve).unwrap_or_else(|broken| panic!("{}", broken.text(false)));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.certificates.len(), 1);
    assert_eq!(crate::judge::failures(&loaded), Vec::<String>::new());
}

#[test]
fn every_line_is_judged_as_it_says() {
    let demo = Demo::set_up(ANY).unwrap();
    let loaded =
        load(demo.config(), Purpose::Serve).unwrap_or_else(|broken| panic!("{}", broken.text(false)));
    let lines = lines::lines(&demo.folder, &demo.issuer, demo.ports).unwrap();
    assert!(lines.len() > 10);
    for line in lines {
        let (status, location) = judged(&loaded.snapshot, &line.command);
        // What the chatbot answers is not for the gateway to judge.
        let passed = line.answer.starts_with('2') || line.answer == "101";
        let told = if passed { "allow" } else { line.answer };
        assert_eq!(status, told, "{}\n{}\n{location}", line.about, line.command);
    }
}

/// The verdict over a line of curl.
fn judged(snapshot: &std::sync::Arc<crate::snapshot::Snapshot>, command: &str) -> (String, String) {
    use crate::judge::{Case, End, judge};
    use crate::pipeline::accept::Arrival;

    let quoted: Vec<&str> = command.split('\'').collect();
    let mut fields = vec![("host".to_owned(), "localhost".to_owned())];
    let mut body = "";
    for pair in quoted.chunks(2) {
        let [before, inside] = pair else { continue };
        match before.trim().rsplit(' ').next().unwrap() {
            "--header" => {
                let (name, value) = inside.split_once(": ").unwrap();
                fields.push((name.to_owned(), value.to_owned()));
            }
            "--data" => body = inside,
            other => panic!("{other}"),
        }
    }
    let url = command.split_whitespace().find(|word| word.contains("://")).unwrap();
    let path = url.splitn(4, '/').nth(3).unwrap();
    if !body.is_empty() {
        fields.push(("content-length".to_owned(), body.len().to_string()));
    }
    let now = time::OffsetDateTime::now_utc().unix_timestamp() * 1000;
    let case = Case {
        upstream_status: 200,
        arrival: Arrival {
            local: None,
            facts: None,
            peer: [127, 0, 0, 1].into(),
            peer_name: crate::edge::name([127, 0, 0, 1].into()),
            tls: url.starts_with("https:"),
            certificate: None,
            now_ms: now,
        },
        method: if body.is_empty() { "GET" } else { "POST" },
        target: &format!("/{path}"),
        host: "localhost",
        fields: &fields,
        body: body.as_bytes(),
        caller: None,
    };
    match judge(snapshot, &case, &crate::judge::Memory::default()).end {
        End::Forward { .. } => ("allow".to_owned(), String::new()),
        End::Answer(answer) => {
            let location = answer.fields["location"].to_str().unwrap();
            (answer.status.as_u16().to_string(), location.to_owned())
        }
        End::Refuse(refusal, answer) => {
            (format!("{} {}", answer.status.as_u16(), refusal.code), refusal.private.into_owned())
        }
    }
}

#[test]
fn the_text_names_the_ports() {
    let demo = Demo::set_up(ANY).unwrap();
    let text = demo.lines().unwrap();
    let Ports { https, http, admin } = demo.ports;
    for part in [
        format!("https://localhost:{https}/"),
        format!("http://localhost:{http}/"),
        format!("http://127.0.0.1:{admin}/"),
        "Ctrl-C stops it".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}\n{text}");
    }
    let pasted = text.lines().filter(|line| line.starts_with("curl "));
    assert!(pasted.clone().count() > 10 && pasted.clone().all(|line| !line.ends_with('\\')), "each is whole");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let demo = Demo::set_up(Ports { https: port, ..ANY }).unwrap();
    assert!(demo.lines().unwrap().contains(&format!("Port {port} is taken: https is on ")));
}

#[test]
fn nothing_is_left_behind() {
    let demo = Demo::set_up(ANY).unwrap();
    let config = demo.config().to_owned();
    let text = std::fs::read_to_string(&config).unwrap();
    let (_, server) = text.split_once("servers: [\"http://").unwrap();
    let backend = server.split('"').next().unwrap().to_owned();
    assert!(std::net::TcpStream::connect(&backend).is_ok());
    drop(demo);
    assert!(!config.parent().unwrap().exists());
    assert!(std::net::TcpStream::connect(&backend).is_err());
}
