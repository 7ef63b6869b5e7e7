//! Tells the program its commit and target, and gives the Windows program its version, icon and manifest.

use std::env;
use std::path::Path;
use std::process::Command;

/// Long paths without a prefix, UTF-8 for what C code in it asks the system, and that it was made for Windows 10
/// and 11, to which the system shows itself as what it is.
const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <application xmlns="urn:schemas-microsoft-com:asm.v3">
    <windowsSettings>
      <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
      <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
    </windowsSettings>
  </application>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1">
    <application>
      <supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/>
    </application>
  </compatibility>
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3">
    <security>
      <requestedPrivileges>
        <requestedExecutionLevel level="asInvoker" uiAccess="false"/>
      </requestedPrivileges>
    </security>
  </trustInfo>
</assembly>
"#;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=packaging/windows/rescue.ico");
    println!("cargo:rustc-env=RESCUE_BUILD={}", build());
    // Of the system that the program is for, not of the one that it is built on.
    if env::var_os("CARGO_CFG_WINDOWS").is_some() {
        let mut resource = winresource::WindowsResource::new();
        resource.set_manifest(MANIFEST).set_language(0x0409);
        resource.set_icon("packaging/windows/rescue.ico");
        resource.set("FileDescription", "Rescues data from broken Android phones");
        if let Err(error) = resource.compile_for("rescue") {
            panic!("cannot make the program's version and manifest: {error}");
        }
    }
}

/// What `rescue --version` says behind the version: the commit, if it is known, and the target.
fn build() -> String {
    let target = env::var("TARGET").unwrap_or_default();
    match commit() {
        Some(commit) => format!("commit {commit}, {target}"),
        None => target,
    }
}

/// The commit of a release build. Other builds would be made again after each commit for nothing else.
fn commit() -> Option<String> {
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    // Not of a repository that only surrounds these sources.
    if !is_release || !Path::new(".git").exists() {
        return None;
    }
    // Grows with each commit and each checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
