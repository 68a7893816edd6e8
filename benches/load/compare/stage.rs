//! Certificates, keys, tokens and the processes of one run.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, RsaKeySize};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;

use crate::Fallible;
use crate::contender::{Contender, Server, Token};
use crate::process::{Process, free_address};
use crate::wire::{HOST, Wire};

const SECRET: &str = "a-secret-for-measuring-a-secret-for-measuring-a-secret-for-measuring";

/// What all contenders share.
pub(crate) struct Stage {
    folder: TempDir,
    executables: PathBuf,
    tls: Arc<ClientConfig>,
    rsa: KeyPair,
    origin: SocketAddr,
    _origin: Process,
}

/// A contender that serves.
pub(crate) struct Door {
    /// Where.
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    /// What is sent to it.
    pub(crate) request: Vec<u8>,
    /// Its process; the origin's belongs to the stage.
    pub(crate) process: Option<Process>,
}

impl Door {
    /// A new connection.
    pub(crate) fn connect(&self) -> Fallible<Wire> {
        Wire::connect(self.address, self.tls.as_ref())
    }
}

impl Stage {
    /// Makes keys and certificates and starts the origin.
    pub(crate) fn set() -> Fallible<Self> {
        let folder = tempfile::tempdir()?;
        let executables = std::env::current_exe()?.parent().ok_or("no folder of executables")?.to_owned();
        let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        fs::write(folder.path().join("rsa.pem"), rsa.public_key_pem())?;
        fs::write(folder.path().join("portcullis.yaml"), include_str!("../portcullis.yaml"))?;
        let tls = certify(&folder)?;
        let origin = free_address()?;
        let mut command = Command::new(executables.join("origin"));
        command.args(["--bind", &origin.to_string()]);
        let process = Process::start(command, origin, folder.path())?;
        Ok(Self { folder, executables, tls, rsa, origin, _origin: process })
    }

    /// Starts a contender.
    pub(crate) fn open(&self, contender: &Contender) -> Fallible<Door> {
        self.open_under(contender, &[])
    }

    /// Starts a contender under another program, as `valgrind`.
    pub(crate) fn open_under(&self, contender: &Contender, program: &[String]) -> Fallible<Door> {
        let request = contender.request(&self.token(contender.token)?);
        if contender.server == Server::Origin {
            return Ok(Door { address: self.origin, tls: None, request, process: None });
        }
        let address = free_address()?;
        let own = self.arguments(contender.server, address);
        let mut words = program.iter().chain(&own);
        let mut command = Command::new(words.next().ok_or("no command")?);
        command.args(words).current_dir(self.folder.path());
        command.env("HTTPS", address.to_string()).env("ADMIN", free_address()?.to_string());
        command.env("ORIGIN", self.origin.to_string()).env("SESSION_SECRET", SECRET);
        // Pingora's services have one thread by default.
        command.env("TOKIO_WORKER_THREADS", "1");
        let process = Some(Process::start(command, address, self.folder.path())?);
        Ok(Door { address, tls: Some(Arc::clone(&self.tls)), request, process })
    }

    fn arguments(&self, server: Server, address: SocketAddr) -> Vec<String> {
        let executable = |name| self.executables.join(name).display().to_string();
        let (address, origin) = (address.to_string(), self.origin.to_string());
        match server {
            Server::Origin => vec![executable("origin"), "--bind".to_owned(), address],
            Server::Bare => {
                let flags =
                    ["--https", &address, "--upstream", &origin, "--cert", "cert.pem", "--key", "key.pem"];
                std::iter::once(executable("bare-pingora")).chain(flags.map(ToOwned::to_owned)).collect()
            }
            Server::Gateway => {
                let flags = ["run", "--config", "portcullis.yaml"];
                std::iter::once(executable("portcullis")).chain(flags.map(ToOwned::to_owned)).collect()
            }
        }
    }

    /// A token of `ada`, a user of `acme`, good for an hour.
    fn token(&self, token: Token) -> Fallible<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": "https://issuer.example.test/", "aud": "chat.example.test", "sub": "ada", "org_id": "acme",
            "roles": ["user"], "scope": "chat:read chat:write", "iat": now, "exp": now + 3600,
        });
        let (algorithm, key) = match token {
            Token::Hs256 => (Algorithm::HS256, EncodingKey::from_secret(SECRET.as_bytes())),
            Token::Rs256 => {
                (Algorithm::RS256, EncodingKey::from_rsa_pem(self.rsa.serialize_pem().as_bytes())?)
            }
        };
        Ok(encode(&Header::new(algorithm), &claims, &key)?)
    }
}

/// Writes a certificate for [`HOST`]; returns a client that trusts it and speaks HTTP/1.1.
fn certify(folder: &TempDir) -> Fallible<Arc<ClientConfig>> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    // rcgen gives every certificate the same subject, and then this one looks self-signed.
    authority.distinguished_name.push(DnType::CommonName, "bench authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![HOST.to_owned()])?.signed_by(&key, &authority)?;
    fs::write(folder.path().join("cert.pem"), certificate.pem())?;
    fs::write(folder.path().join("key.pem"), key.serialize_pem())?;

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec()))?;
    // Named: Pingora compiles a second provider in, and then there is no default.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
