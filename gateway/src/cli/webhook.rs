//! `portcullis webhook sign`: a request that a configured webhook accepts, as a line to paste.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use http::uri::{Authority, PathAndQuery, Scheme as UriScheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use rules::webhook::{Delivery, Kind, Signed};
use time::OffsetDateTime;

use super::Misuse;
use crate::config::load::{Loaded, Purpose, load, named};
use crate::demo::shell;
use crate::snapshot::{CertificateSource, Site};
use crate::webhook::Webhook;

/// Tries a configured webhook without its provider. Exit status: 0, or 2 for misuse.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = "\
Example: portcullis webhook sign --config portcullis.yaml --webhook stripe --body event.json
         portcullis webhook sign --webhook github --body push.json --header 'X-GitHub-Event: push'
         portcullis webhook sign --webhook stripe --body event.json --url https://127.0.0.1:8443 --host hooks.example.com

The line is printed, not sent. Where the time is signed, it works for as long as the webhook's tolerance lasts.")]
    Sign(Sign),
}

/// Prints a curl line whose signature the webhook accepts.
#[derive(Debug, clap::Args)]
struct Sign {
    /// The configuration file. The webhook's secrets must be there: set its environment variables as for `run`.
    #[arg(long, short, value_name = "FILE", default_value = "portcullis.yaml")]
    config: PathBuf,
    /// The webhook, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    webhook: String,
    /// A file with the body: JSON unless a `--header` gives another content type.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// Where the gateway is reached, by default as it listens; a path and a query may follow.
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
    /// A header field that is sent too: 'name: value'.
    #[arg(long, value_name = "FIELD")]
    header: Vec<String>,
    /// The host that is asked for, where it is not the one of `--url`.
    #[arg(long)]
    host: Option<String>,
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let What::Sign(args) = &args.what;
    let loaded = match load(&args.config, Purpose::Judge) {
        Ok(loaded) => loaded,
        Err(broken) => return super::invalid(&broken),
    };
    let now_ms = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    match sign(args, &loaded, i64::try_from(now_ms).unwrap_or(i64::MAX)) {
        Ok((line, note)) => {
            let code = super::answer(format_args!("{line}\n"));
            super::complain(note.unwrap_or_default());
            code
        }
        Err(misuse) => misuse.exit(),
    }
}

/// The line, and what to know of it.
fn sign(args: &Sign, loaded: &Loaded, now_ms: i64) -> Result<(String, Option<&'static str>), Misuse> {
    let told = |(what, remedy): (String, Option<String>)| {
        let misuse = Misuse::new(what);
        remedy.map_or(misuse.clone(), |remedy| misuse.remedy(remedy))
    };
    let raw = loaded.webhook(&args.webhook).map_err(told)?;
    let routes = loaded.snapshot.table.routes().iter();
    let found = routes.filter_map(|route| route.webhook.as_ref()).find(|known| *known.name == *raw.name);
    let webhook = Arc::clone(found.ok_or_else(|| Misuse::new("the webhook is not in force"))?);
    can_be_signed(&webhook)?;
    let address = Address::of(args, &loaded.snapshot.site, &raw.path)?;
    let headers = args.header.iter().map(|field| header(field)).collect::<Result<HeaderMap, _>>()?;
    let body = named(&args.body).map_err(Misuse::new)?;
    let delivery = Delivery {
        method: &Method::POST,
        scheme: address.scheme.as_str(),
        authority: address.asked.as_str(),
        target: address.target.as_str(),
        headers: &headers,
        body: &body,
        now_ms,
    };
    let signed = webhook.scheme.sign(&webhook.keys, &webhook.terms, &delivery);
    let signed =
        signed.map_err(|why| Misuse::new(format!("a request for `{}` cannot be signed: {why}", raw.name)))?;
    let body = if signed.body == body { Body::File(&args.body) } else { Body::text(&signed.body)? };
    let note = match webhook.scheme.kind() {
        Kind::Token => Some("note: the line holds the secret itself\n"),
        _ if webhook.scheme.has_tolerance() => {
            Some("note: the time is signed: the line works until the webhook's tolerance is over\n")
        }
        _ => None,
    };
    Ok((line(&address, &signed, &body), note))
}

fn can_be_signed(webhook: &Webhook) -> Result<(), Misuse> {
    let what = match webhook.scheme.kind() {
        Kind::Hmac | Kind::KeyedHash | Kind::Token => return Ok(()),
        Kind::Jwt => "its provider sends a JSON Web Token, which this command does not make",
        Kind::Sns => "Amazon SNS signs with a private key of its own",
        Kind::Ed25519 | Kind::EcdsaP256Sha256 | Kind::RsaPkcs1Sha256 => {
            "its provider signs with a private key, and only the public one is configured"
        }
    };
    Err(Misuse::new(format!("a request for `{}` cannot be signed: {what}", webhook.name))
        .remedy("let the provider send a test delivery"))
}

/// Where the line goes.
struct Address {
    scheme: UriScheme,
    /// The host that is asked for, with its port.
    asked: Authority,
    /// Where the connection goes, if elsewhere.
    through: Option<Authority>,
    target: PathAndQuery,
    /// Whether the certificate is one that nobody vouches for.
    self_signed: bool,
}

impl Address {
    fn of(args: &Sign, site: &Site, path: &str) -> Result<Self, Misuse> {
        let own;
        let url = if let Some(url) = &args.url {
            url
        } else {
            own = listener(site)?;
            &own
        };
        let wrong = || {
            Misuse::new("`--url` is not the address of a gateway")
                .remedy("write `--url https://localhost:8443`")
        };
        let scheme = url.scheme().filter(|scheme| ["http", "https"].contains(&scheme.as_str()));
        let (scheme, reached) = scheme.zip(url.authority()).ok_or_else(wrong)?;
        let target = match url.path_and_query() {
            Some(target) if target.path() != "/" => target.clone(),
            Some(target) => {
                let query = target.query().map_or_else(String::new, |query| format!("?{query}"));
                format!("{path}{query}").parse().map_err(|_| wrong())?
            }
            None => path.parse().map_err(|_| wrong())?,
        };
        let asked = match &args.host {
            None => reached.clone(),
            Some(host) => {
                let port = reached.port().filter(|_| !host.contains(':'));
                let text = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
                text.parse().map_err(|_| Misuse::new(format!("`{host}` is not a host")))?
            }
        };
        let sources = site.https.iter().flat_map(|https| &https.certificates);
        let self_signed = scheme == &UriScheme::HTTPS
            && sources.into_iter().all(|source| matches!(source, CertificateSource::SelfSigned(_)));
        let through = Some(reached.clone()).filter(|reached| *reached != asked);
        Ok(Self { scheme: scheme.clone(), asked, through, target, self_signed })
    }

    fn port(&self, of: &Authority) -> u16 {
        of.port_u16().unwrap_or(if self.scheme == UriScheme::HTTPS { 443 } else { 80 })
    }
}

/// The gateway as it listens: the first host that is served, at the listener's port.
fn listener(site: &Site) -> Result<Uri, Misuse> {
    let unsure = || Misuse::new("where the gateway is reached cannot be told").remedy("say it with `--url`");
    let (scheme, bind) = match (&site.https, &site.http) {
        (Some(https), _) => ("https", &https.bind),
        (None, Some(http)) => ("http", &http.bind),
        (None, None) => return Err(unsure()),
    };
    let port = bind.rsplit_once(':').map(|(_, port)| port).filter(|port| *port != "0").ok_or_else(unsure)?;
    let host = site.served.first().filter(|host| !host.contains('*')).map_or("localhost", String::as_str);
    let standard = matches!((scheme, port), ("https", "443") | ("http", "80"));
    let text = if standard { format!("{scheme}://{host}/") } else { format!("{scheme}://{host}:{port}/") };
    text.parse().map_err(|_| unsure())
}

fn header(field: &str) -> Result<(HeaderName, HeaderValue), Misuse> {
    let wrong = || {
        Misuse::new(format!("`{field}` is not a header field"))
            .remedy("write `--header 'X-GitHub-Event: push'`")
    };
    let (name, value) = field.split_once(':').ok_or_else(wrong)?;
    Ok((name.trim().parse().map_err(|_| wrong())?, value.trim().parse().map_err(|_| wrong())?))
}

/// How curl is given the body.
enum Body<'a> {
    /// As the file has it.
    File(&'a Path),
    /// As it became: the signature stands in it.
    Text(&'a str),
}

impl<'a> Body<'a> {
    fn text(bytes: &'a [u8]) -> Result<Self, Misuse> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        text.map(Self::Text)
            .ok_or_else(|| Misuse::new("the body with its signature is no text that could be pasted"))
    }
}

fn line(address: &Address, signed: &Signed, body: &Body<'_>) -> String {
    let Address { scheme, asked, through, self_signed, .. } = address;
    let mut words = vec!["curl".to_owned()];
    // Brackets and braces of an address are patterns for curl.
    words.extend(signed.target.contains(['[', ']', '{', '}']).then(|| "--globoff".to_owned()));
    words.extend(self_signed.then(|| "--insecure".to_owned()));
    if let Some(through) = through {
        let (asked_port, port) = (address.port(asked), address.port(through));
        let route = format!("{}:{asked_port}:{}:{port}", asked.host(), through.host());
        words.extend(["--connect-to".to_owned(), shell::word(&route).into_owned()]);
    }
    words.push(shell::word(&format!("{scheme}://{asked}{}", signed.target)).into_owned());
    for (name, value) in &signed.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        // With a colon and nothing behind it, curl would leave the field out.
        let field = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        words.extend(["--header".to_owned(), shell::word(&field).into_owned()]);
    }
    if !signed.headers.contains_key(http::header::CONTENT_TYPE) {
        // Or curl would call it a form.
        words.extend(["--header".to_owned(), "content-type:".to_owned()]);
    }
    match body {
        Body::File(file) => {
            let file = format!("@{}", file.display());
            words.extend(["--data-binary".to_owned(), shell::word(&file).into_owned()]);
        }
        Body::Text(text) => words.extend(["--data-raw".to_owned(), shell::word(text).into_owned()]),
    }
    words.join(" ")
}
