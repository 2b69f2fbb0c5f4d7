//! The files that a document is and names: read and looked at, nothing more.

use std::{
    fs, io,
    io::Read,
    path::{Path as FilePath, PathBuf},
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{
    check::Finding,
    document::Document,
    load::{Loaded, read_with},
    path::Path,
    problem::{Problem, Problems},
    yaml::LARGEST,
};

/// Reads a document and looks at the files that it names. `-` is standard input, whose paths are relative to the working
/// folder.
pub fn load(file: &FilePath) -> Result<Loaded, Problems> {
    load_text(file, &read_text(file)?)
}

/// The same for a file whose text has been read.
pub fn load_text(file: &FilePath, text: &str) -> Result<Loaded, Problems> {
    read_with(&shown(file), text, |document| {
        check_files(document, &folder(file))
    })
}

/// Reads a file as text, as [`load`] does: for profiles and other files in the same grammar.
pub fn read_text(file: &FilePath) -> Result<String, Problems> {
    let bytes = read_bytes(file).map_err(|error| {
        let what = format!("cannot be read: {}", plain_error(&error));
        Problem::whole(&shown(file), what, "check the name and who may read it")
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        let what = format!("line {line} is no UTF-8 text");
        Problem::whole(&shown(file), what, "save the file as UTF-8").into()
    })
}

/// The folder that paths in a document are relative to.
pub fn folder(file: &FilePath) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != FilePath::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn shown(file: &FilePath) -> String {
    if is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn is_stdin(file: &FilePath) -> bool {
    file == FilePath::new("-")
}

/// Reads at most one byte more than may be read, so that a device or a wrong file cannot fill the memory.
fn read_bytes(file: &FilePath) -> io::Result<Vec<u8>> {
    let most = LARGEST as u64 + 1;
    let mut bytes = Vec::new();
    if is_stdin(file) {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// An error without its number.
pub fn plain_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Looks at the files that a document names, relative to `folder`.
pub fn check_files(document: &Document, folder: &FilePath) -> Vec<Finding> {
    let mut look = Look {
        folder,
        found: Vec::new(),
    };
    for (name, listener) in document.listeners.iter() {
        let Some(tls) = &listener.tls else { continue };
        let path = Path::of(["listeners", name, "tls"]);
        look.pair(&path, &tls.certificate, &tls.key);
        for (i, pair) in tls.more.iter().enumerate() {
            look.pair(&path.key("more").item(i), &pair.certificate, &pair.key);
        }
        tls.client_ca
            .iter()
            .for_each(|file| drop(look.certificates(path.key("client_ca"), file)));
    }
    for (name, cluster) in document.clusters.iter() {
        let probe = cluster.health.as_ref().map(|health| &health.probe);
        if let Some((kind, login)) = probe.and_then(|probe| Some((probe.name(), probe.login()?))) {
            let path = Path::of(["clusters", name, "health", kind, "password_file"]);
            login
                .password_file
                .iter()
                .for_each(|file| drop(look.read(&path, file)));
        }
        let Some(tls) = &cluster.tls else { continue };
        let path = Path::of(["clusters", name, "tls"]);
        tls.roots
            .iter()
            .for_each(|file| drop(look.certificates(path.key("roots"), file)));
        tls.client
            .iter()
            .for_each(|pair| look.pair(&path.key("client"), &pair.certificate, &pair.key));
    }
    let tokens = document.admin.tokens_file.iter();
    tokens.for_each(|file| drop(look.read(&Path::of(["admin", "tokens_file"]), file)));
    look.found
}

struct Look<'f> {
    folder: &'f FilePath,
    found: Vec<Finding>,
}

impl Look<'_> {
    fn find<T>(&mut self, path: Path, what: String, mend: &str) -> Option<T> {
        self.found.push(Finding::new(path, what, mend));
        None
    }

    fn read(&mut self, path: &Path, file: &FilePath) -> Option<Vec<u8>> {
        let place = self.folder.join(file);
        match fs::read(&place) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let what = format!("`{}` cannot be read: {}", file.display(), plain_error(&error));
                let mend = format!("looked for it at {}", place.display());
                self.find(path.clone(), what, &mend)
            }
        }
    }

    fn certificates(&mut self, path: Path, file: &FilePath) -> Option<Vec<CertificateDer<'static>>> {
        let bytes = self.read(&path, file)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Some(chain),
            _ => {
                let what = format!("there is no certificate in `{}`", file.display());
                self.find(path, what, "it must be PEM, with `-----BEGIN CERTIFICATE-----`")
            }
        }
    }

    fn key(&mut self, path: Path, file: &FilePath) -> Option<PrivateKeyDer<'static>> {
        let bytes = self.read(&path, file)?;
        match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(key) => Some(key),
            Err(_) if bytes.windows(9).any(|part| part == b"ENCRYPTED") => {
                let what = format!("the key in `{}` is encrypted", file.display());
                self.find(path, what, "decrypt it: `openssl pkey -in FILE -out FILE.plain`")
            }
            Err(_) => {
                let what = format!("there is no private key in `{}`", file.display());
                self.find(path, what, "it must be PEM, with `-----BEGIN PRIVATE KEY-----`")
            }
        }
    }

    /// A certificate and its key, which must belong together.
    fn pair(&mut self, path: &Path, certificate: &FilePath, key: &FilePath) {
        let chain = self.certificates(path.key("certificate"), certificate);
        let secret = self.key(path.key("key"), key);
        let (Some(chain), Some(secret)) = (chain, secret) else {
            return;
        };
        let what = match CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider()) {
            Ok(_) => return,
            Err(rustls::Error::InconsistentKeys(_)) => {
                format!(
                    "`{}` is not the key of `{}`",
                    key.display(),
                    certificate.display()
                )
            }
            Err(error) => format!(
                "`{}` and `{}` cannot be used: {error}",
                certificate.display(),
                key.display()
            ),
        };
        let mend =
            "put the certificate of the server first in its file, and name the key that it was made with";
        self.find::<()>(path.key("key"), what, mend);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const DOCUMENT: &str = "\
listeners:
  public: {bind: 127.0.0.1:8443, cluster: app, tls: {certificate: server.pem, key: server.key}}
clusters:
  app: {backends: [{address: app.internal:9001}]}
";

    /// A folder with a document and the files of these names.
    fn folder_with(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("proxy.yaml"), DOCUMENT).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    /// Each problem as `line:column what`, without the folder.
    fn problems(folder: &TempDir) -> Vec<String> {
        let problems = load(&folder.path().join("proxy.yaml")).expect_err("a problem");
        let shown = problems.iter().map(|p| match p.place {
            Some(place) => format!("{}:{} {}", place.line, place.column, p.what),
            None => p.what.clone(),
        });
        shown.collect()
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["app.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_with_its_key_is_taken() {
        let (certificate, key) = pair();
        let folder = folder_with(&[("server.pem", &certificate), ("server.key", &key)]);
        assert_eq!(
            load(&folder.path().join("proxy.yaml"))
                .unwrap()
                .document
                .listeners
                .len(),
            1
        );
    }

    #[test]
    fn files_that_are_not_there_are_told_at_the_line_that_names_them() {
        let expected = [
            "2:67 `server.pem` cannot be read: there is no such file",
            "2:84 `server.key` cannot be read: there is no such file",
        ];
        assert_eq!(problems(&folder_with(&[])), expected);
    }

    #[test]
    fn files_that_hold_something_else_are_refused() {
        let (certificate, key) = pair();
        let check = |certificate: &str, key: &str, expected: &str| {
            assert_eq!(
                problems(&folder_with(&[("server.pem", certificate), ("server.key", key)])),
                [expected]
            );
        };
        check("hello", &key, "2:67 there is no certificate in `server.pem`");
        check(
            &certificate,
            &certificate,
            "2:84 there is no private key in `server.key`",
        );
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        check(
            &certificate,
            encrypted,
            "2:84 the key in `server.key` is encrypted",
        );
        check(
            &certificate,
            &pair().1,
            "2:84 `server.key` is not the key of `server.pem`",
        );
    }

    #[test]
    fn a_document_that_cannot_be_read_is_a_problem_too() {
        let folder = folder_with(&[]);
        let check = |name: &str, expected: &str| {
            let problems = load(&folder.path().join(name)).unwrap_err().to_string();
            assert!(problems.contains(expected), "{problems}");
        };
        check("none.yaml", "cannot be read: there is no such file");
        check("", "cannot be read: it is a folder");
        fs::write(folder.path().join("latin1.yaml"), b"listeners:\n  a: caf\xe9\n").unwrap();
        check("latin1.yaml", "line 2 is no UTF-8 text");
        fs::write(folder.path().join("large.yaml"), "#".repeat(LARGEST + 9)).unwrap();
        check("large.yaml", "more than the 1048576 bytes allowed");
    }
}
