//! Debian's `docker-registry` on loopback: open, with passwords, encrypted, or asking for certificates.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{have, quick_folder, tool};

/// Debian's registry, on a free port, until dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
    pub(crate) folder: TempDir,
}

/// How the registry is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    None,
    Password,
    Tls,
    ClientCertificate,
}

impl Registry {
    /// None when it is not installed.
    pub(crate) fn start(protection: Protection) -> Option<Self> {
        if !have("docker-registry") {
            return None;
        }
        let folder = quick_folder();
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}/data\n  delete:\n    enabled: true\n",
            folder.path().display()
        );
        let at = |name: &str| folder.path().join(name).display().to_string();
        if protection == Protection::Password {
            let line = tool("htpasswd", ["-Bbn", "user", "secret"]).stdout;
            fs::write(at("htpasswd"), line).unwrap();
            config += &format!(
                "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                at("htpasswd")
            );
        }
        config += &format!("http:\n  addr: {address}\n");
        if matches!(protection, Protection::Tls | Protection::ClientCertificate) {
            certificates(folder.path());
            config += &format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                at("server.crt"),
                at("server.key")
            );
            if protection == Protection::ClientCertificate {
                config += &format!("    clientcas:\n      - {}\n", at("ca.crt"));
            }
        }
        fs::write(at("config.yml"), config).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            // It takes variables such as REGISTRY_AUTH_FILE for settings.
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Registry {
            child,
            address,
            folder,
        };
        let start = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "the registry does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens at. Below those that the kernel gives to clients, and another one each time: between this look and
/// the server's own call, nobody else takes it.
pub(crate) fn free_port() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (std::process::id() * 101 + count) % 20_000;
        if TcpListener::bind(("127.0.0.1", port as u16)).is_ok() {
            return port as u16;
        }
    }
}

/// An authority, a server certificate for 127.0.0.1, and a client certificate.
fn certificates(folder: &Path) {
    let at = |name: &str| folder.join(name).display().to_string();
    let new = |name: &str, subject: &str| {
        let args = [
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            &at(&format!("{name}.key")),
            "-out",
            &at(&format!("{name}.csr")),
        ];
        tool("openssl", args.map(String::from));
    };
    tool(
        "openssl",
        [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-keyout",
            &at("ca.key"),
            "-out",
            &at("ca.crt"),
        ]
        .map(String::from),
    );
    for (name, subject, extension) in [
        (
            "server",
            "/CN=127.0.0.1",
            "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        ),
        ("client", "/CN=client", "extendedKeyUsage=clientAuth\n"),
    ] {
        new(name, subject);
        fs::write(at(&format!("{name}.ext")), extension).unwrap();
        let (csr, crt, ext) = (
            at(&format!("{name}.csr")),
            at(&format!("{name}.crt")),
            at(&format!("{name}.ext")),
        );
        tool(
            "openssl",
            [
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &at("ca.crt"),
                "-CAkey",
                &at("ca.key"),
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                &ext,
                "-out",
                &crt,
            ]
            .map(String::from),
        );
    }
}
