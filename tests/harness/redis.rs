//! A real Redis server of one's own: on a socket in a folder of its own, stopped, paused and started anew at will.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A running server without data of before.
pub struct Redis {
    folder: TempDir,
    /// Lines of its configuration beside the usual ones.
    settings: String,
    port: Option<u16>,
    child: Option<Child>,
}

impl Redis {
    /// One on a Unix socket.
    pub fn start() -> Self {
        Self::with("")
    }

    /// The same with these lines in its configuration.
    pub fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut redis = Self { folder, settings: settings.to_owned(), port: None, child: None };
        redis.resume();
        redis
    }

    /// One that speaks TLS on a port that the system chose, and the authority of its certificate as PEM.
    pub fn tls() -> (Self, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let ca = authority(folder.path());
        let file = |name: &str| folder.path().join(name).display().to_string();
        let settings = format!(
            "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n",
            file("server.pem"),
            file("server.key"),
            file("ca.pem")
        );
        let mut redis = Self { folder, settings, port: None, child: None };
        // Another process may be given the port in between.
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            redis.port = Some(free.expect("a free port").port());
            if redis.try_resume() {
                return (redis, ca);
            }
        }
        panic!("redis-server found no port");
    }

    /// Its URL, of whoever needs no password.
    pub fn url(&self) -> String {
        match self.port {
            Some(port) => format!("rediss://127.0.0.1:{port}"),
            None => format!("redis+unix://{}", self.socket().display()),
        }
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Kills it; whatever it knew is gone.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again at the same address, without data.
    pub fn resume(&mut self) {
        assert!(self.try_resume(), "redis-server does not start: is the package redis-server installed?");
    }

    /// It answers no more, and its connections stay.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// It goes on where it was.
    pub fn unpause(&self) {
        self.signal("CONT");
    }

    /// Says a command without spaces in its words: the answer as it comes, of at most 64 KiB.
    pub fn say(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).expect("the server's socket");
        write!(stream, "{command}\r\nQUIT\r\n").expect("a command");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned()
    }

    fn try_resume(&mut self) -> bool {
        self.stop();
        let port = self.port.map(|port| format!("tls-port {port}\nbind 127.0.0.1\n")).unwrap_or_default();
        let text = format!(
            "port 0\nunixsocket {}\nsave \"\"\nappendonly no\ndir {}\n{port}{}",
            self.socket().display(),
            self.folder.path().display(),
            self.settings
        );
        let configuration = self.folder.path().join("redis.conf");
        fs::write(&configuration, text).expect("the server's configuration");
        let started = Command::new("redis-server").arg(configuration).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = started else { return false };
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        let is_ready = loop {
            line.clear();
            match lines.read_line(&mut line) {
                Ok(0) | Err(_) => break false,
                Ok(_) if line.contains("eady to accept connections") => break true,
                Ok(_) => {}
            }
        };
        self.child = Some(child);
        // A full pipe would stop it.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        is_ready
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("kill");
        assert!(status.success(), "kill -s {name} {pid}: {status}");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes a certificate for 127.0.0.1 and its authority, which it returns as PEM.
fn authority(folder: &Path) -> String {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).expect("an authority").pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&own, &issuer).expect("a certificate");
    for (name, text) in
        [("ca.pem", &ca), ("server.pem", &certificate.pem()), ("server.key", &own.serialize_pem())]
    {
        fs::write(folder.join(name), text).expect("a file");
    }
    ca
}
