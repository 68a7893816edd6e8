//! What `portcullis demo` brings along, so that nothing needs to be installed: a chatbot, an issuer of tokens, a
//! certificate, and a configuration that ties them together, in a folder that goes away with the demo.

mod backend;
pub mod chatbot;
mod folder;
mod issuer;
mod lines;
mod ports;
pub(crate) mod shell;

use std::path::Path;

use certs::sources::dev;

use backend::Backend;
use folder::Folder;
use issuer::Issuer;
use ports::Port;

const TEMPLATE: &str = include_str!("demo/portcullis.yaml");

/// The ports of a demo; as a wish, 0 is any.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// For https.
    pub https: u16,
    /// For http, which redirects.
    pub http: u16,
    /// For operators.
    pub admin: u16,
}

/// A demo that is ready to be served. Dropped, it stops its chatbot and removes its folder.
pub struct Demo {
    // Stopped before the folder goes.
    _backend: Backend,
    folder: Folder,
    issuer: Issuer,
    ports: Ports,
    notes: Vec<String>,
}

impl Demo {
    /// Starts the chatbot and writes the files.
    ///
    /// # Errors
    /// A sentence that says what the system refused.
    pub fn set_up(wishes: Ports) -> Result<Self, String> {
        let backend =
            Backend::start().map_err(|error| format!("the demo's chatbot cannot start: {error}"))?;
        let folder = Folder::new().map_err(|error| format!("the demo's folder cannot be made: {error}"))?;
        let issuer = Issuer::new().map_err(|error| error.to_string())?;
        let pair = dev::self_signed(&["localhost".to_owned()]).map_err(|error| error.to_string())?;
        let unwritable = |error| format!("the demo's files cannot be written: {error}");
        pair.write(&folder.path("cert.pem"), &folder.path("key.pem")).map_err(unwritable)?;
        folder.write("jwks.json", &issuer.key_set()).map_err(unwritable)?;
        let reserve =
            |what, port| Port::reserve(what, port).map_err(|error| format!("no port is free: {error}"));
        let (https, http, admin) =
            (reserve("https", wishes.https)?, reserve("http", wishes.http)?, reserve("admin", wishes.admin)?);
        let ports = Ports { https: https.number(), http: http.number(), admin: admin.number() };
        let text = TEMPLATE
            .replace("{{https}}", &ports.https.to_string())
            .replace("{{http}}", &ports.http.to_string())
            .replace("{{admin}}", &ports.admin.to_string())
            .replace("{{chatbot}}", &backend.address().to_string());
        folder.write("portcullis.yaml", &text).map_err(unwritable)?;
        let notes = [https, http, admin].into_iter().filter_map(Port::release).collect();
        Ok(Self { _backend: backend, folder, issuer, ports, notes })
    }

    /// The configuration to serve.
    pub fn config(&self) -> &Path {
        self.folder.config()
    }

    /// What to tell: lines to paste, each with the answer that it gets.
    ///
    /// # Errors
    /// When a token cannot be signed.
    pub fn lines(&self) -> Result<String, String> {
        lines::text(&self.folder, &self.issuer, self.ports, &self.notes).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
