//! Certificates that are not to be trusted, and clocks that are wrong: each is named, with one next
//! step, and nothing is sent.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::pki_types::PrivateKeyDer;

use super::desk::{Desk, Ended};

/// Whom the certificate is for, and for how long.
#[derive(Clone, Copy)]
enum Certificate {
    Right,
    OtherHost,
    Expired,
}

/// A TLS server that refuses everybody, and its certificate as PEM.
fn server(certificate: Certificate) -> (u16, String) {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![match certificate {
        Certificate::OtherHost => SanType::DnsName("other.example".try_into().unwrap()),
        Certificate::Right | Certificate::Expired => {
            SanType::IpAddress("127.0.0.1".parse().unwrap())
        }
    }];
    if matches!(certificate, Certificate::Expired) {
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let connection = rustls::ServerConnection::new(config).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let mut request = vec![0; 64 * 1024];
                if stream.read(&mut request).is_ok() {
                    let answer = "HTTP/1.1 401 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    (port, made.pem())
}

/// Adds remotes of the kinds that speak HTTP, tries them, and says how each ended.
fn tried(desk: &Desk, port: u16, certificates: Option<&str>) -> Vec<Ended> {
    let url = format!("https://127.0.0.1:{port}/");
    let kinds: [&[&str]; 4] = [
        &["webdav", &url, "--user", "ada"],
        &["s3", "bucket", "--endpoint", &url, "--access-key-id", "ID"],
        &["b2", "bucket", "--endpoint", &url, "--key-id", "ID"],
        &["azure", "bucket", "--endpoint", &url, "--account", "ada"],
    ];
    let mut all = Vec::new();
    for kind in kinds {
        let mut arguments = vec!["remote", "add", "there", "--no-test"];
        arguments.extend(kind);
        if let Some(pem) = certificates {
            fs::write(desk.path("ca.pem"), pem).unwrap();
            arguments.extend(["--ca-file", "ca.pem"]);
        }
        let mut command = desk.command(&arguments);
        command.env("RESCUE_REMOTE_SECRET", "UExBTlRFRA==");
        Ended::of(command.output().unwrap()).expect(0);
        let ended = desk.run(&["remote", "test", "there", "--json"]).expect(1);
        assert_eq!(
            ended.line("error")["kind"],
            "remote_denied",
            "{}",
            ended.all
        );
        all.push(ended);
        desk.run(&["remote", "remove", "there"]).expect(0);
    }
    all
}

#[test]
fn certificates_that_are_not_to_be_trusted_are_named() {
    let desk = Desk::new();
    for (certificate, is_known, words) in [
        (Certificate::Right, false, "UnknownIssuer"),
        (Certificate::OtherHost, true, "not valid for name"),
        (Certificate::Expired, true, "expired"),
    ] {
        let (port, pem) = server(certificate);
        for ended in tried(&desk, port, is_known.then_some(pem.as_str())) {
            let message = ended.line("error")["message"].as_str().unwrap();
            assert!(
                message.contains("127.0.0.1 cannot be trusted") && message.contains(words),
                "{message}"
            );
            let hint = ended.line("error")["hint"].as_str().unwrap();
            assert!(hint.contains("--ca-file"), "{hint}");
        }
    }
    // The same server is listened to when its certificate was given.
    let (port, pem) = server(Certificate::Right);
    for ended in tried(&desk, port, Some(&pem)) {
        let message = ended.line("error")["message"].as_str().unwrap();
        assert!(message.contains("refuses access"), "{message}");
    }
}

#[test]
fn without_ca_certificates_https_says_what_to_install_and_http_works() {
    let desk = Desk::new();
    let (port, pem) = server(Certificate::Right);
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request);
            let answer = "HTTP/1.1 401 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    fs::write(desk.path("ca.pem"), pem).unwrap();
    let secure = format!("https://127.0.0.1:{port}/");
    for (url, own, message, hint) in [
        (
            &secure,
            false,
            "no CA certificates",
            "package ca-certificates",
        ),
        (&secure, true, "refuses access", "password"),
        (
            &format!("http://{address}/"),
            false,
            "refuses access",
            "password",
        ),
    ] {
        let mut arguments = vec!["remote", "add", "there", "--no-test", "webdav", url];
        arguments.extend(["--user", "ada"]);
        if own {
            arguments.extend(["--ca-file", "ca.pem"]);
        }
        // As in a container without them: nothing is where the system would look.
        let run = |arguments: &[&str], code| {
            let mut command = desk.command(arguments);
            command.env("RESCUE_REMOTE_SECRET", "PLANTED-ca-77aa");
            command.env("SSL_CERT_FILE", desk.path("no-such-file"));
            Ended::of(command.output().unwrap()).expect(code)
        };
        run(&arguments, 0);
        let ended = run(&["remote", "test", "there", "--json"], 1);
        let error = ended.line("error");
        assert!(error["message"].as_str().unwrap().contains(message));
        assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
        run(&["remote", "remove", "there"], 0);
    }
}

#[test]
fn clock_that_is_wrong_is_named_and_ends_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request);
            let body = "<?xml version=\"1.0\"?><Error><Code>RequestTimeTooSkewed</Code><Message>The \
                        difference is too large.</Message><ServerTime>2031-01-01T00:00:00Z</ServerTime></Error>";
            let _ = write!(
                stream,
                "HTTP/1.1 403 X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let desk = Desk::new();
    desk.rescue_photos(3);
    let kinds: [&[&str]; 2] = [
        &["s3", "bucket", "--endpoint", &url, "--access-key-id", "ID"],
        &["b2", "bucket", "--endpoint", &url, "--key-id", "ID"],
    ];
    for kind in kinds {
        let name = format!("my-{}", kind[0]);
        let mut arguments = vec!["remote", "add", &name, "--no-test"];
        arguments.extend(kind);
        let mut command = desk.command(&arguments);
        command.env("RESCUE_REMOTE_SECRET", "PLANTED-clock-55aa");
        Ended::of(command.output().unwrap()).expect(0);
        for ended in [
            desk.run(&["remote", "test", &name, "--json"]),
            desk.upload(&name, &["--wait"]),
        ] {
            let ended = ended.expect(1);
            let error = ended.line("error");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("clock"), "{message}");
            let hint = error["hint"].as_str().unwrap();
            assert!(hint.contains("date and time"), "{hint}");
        }
    }
}
