//! The destinations of the clouds, as kept in the settings. No secrets.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::upload::oauth::{Endpoints, Service};

/// A container of Azure Blob Storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Azure {
    /// The container.
    pub container: String,
    /// The storage account.
    pub account: String,
    /// Another address than the account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The folder in the container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Certificates to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
}

impl Azure {
    /// The service's address.
    pub fn address(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://{}.blob.core.windows.net", self.account),
        }
    }

    /// What it leads to, in one line.
    pub fn target(&self) -> String {
        format!("{}/{} at {}", self.container, self.path, self.address())
    }
}

/// A bucket of Google Cloud Storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The bucket.
    pub bucket: String,
    /// Another address than Google's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The folder in the bucket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Certificates to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
}

impl Bucket {
    /// What it leads to, in one line.
    pub fn target(&self) -> String {
        let service = self.endpoint.as_deref().unwrap_or("Google Cloud Storage");
        format!("{}/{} at {service}", self.bucket, self.path)
    }
}

/// A bucket of Backblaze B2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct B2 {
    /// The bucket.
    pub bucket: String,
    /// The address of its S3 side.
    pub endpoint: String,
    /// The application key's id.
    pub key_id: String,
    /// The folder in the bucket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Certificates to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
}

impl B2 {
    /// The region, which stands in the address: `https://s3.us-west-004.backblazeb2.com`.
    pub fn region(&self) -> &str {
        let host = self.endpoint.split("://").last().unwrap_or_default();
        let mut names = host.split('.');
        match (names.next(), names.next()) {
            (Some("s3"), Some(region)) => region,
            _ => "us-east-1",
        }
    }

    /// What it leads to, in one line.
    pub fn target(&self) -> String {
        format!("{}/{} at {}", self.bucket, self.path, self.endpoint)
    }
}

/// A person's Google Drive, Dropbox or OneDrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// The person's own client ID.
    pub client_id: String,
    /// The folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Another address than the service's; for tests, no option leads to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The same for the sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
}

impl Drive {
    /// What a person signs in to, and with which client ID.
    pub fn sign_in(&self, service: Service) -> (Service, &str) {
        (service.at(self.endpoints.as_ref()), &self.client_id)
    }

    /// What it leads to, in one line.
    pub fn target(&self, service: &str) -> String {
        let address = self.address.as_deref().unwrap_or(service);
        format!("{address}/{} with client ID {}", self.path, self.client_id)
    }
}

/// What signing in to Google Drive takes. With this scope only what this client ID put there is
/// seen, and Google asks for no review.
pub(crate) fn google_drive() -> Service {
    Service {
        name: "Google Drive",
        authorize_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
        token_url: "https://oauth2.googleapis.com/token".to_owned(),
        scopes: vec!["https://www.googleapis.com/auth/drive.file"],
        all_scopes: true,
        // A refresh token comes only when asked for in this way.
        extra: &[("access_type", "offline"), ("prompt", "consent")],
        redirect_host: "127.0.0.1",
        redirect_port: 0,
        when_signed_out: "look at console.cloud.google.com under \"Google Auth Platform\" > \
             \"Audience\": while the project is in \"Testing\", every sign-in ends after 7 days; \
             press \"Publish app\"",
    }
}

/// What signing in to Dropbox takes. Its redirect must be registered with its port.
pub(crate) fn dropbox() -> Service {
    Service {
        name: "Dropbox",
        authorize_url: "https://www.dropbox.com/oauth2/authorize".to_owned(),
        token_url: "https://api.dropboxapi.com/oauth2/token".to_owned(),
        scopes: vec![
            "files.metadata.read",
            "files.content.read",
            "files.content.write",
        ],
        all_scopes: false,
        extra: &[("token_access_type", "offline")],
        redirect_host: "localhost",
        redirect_port: 53_482,
        when_signed_out: "look at dropbox.com under \"Settings\" > \"Connected apps\" whether \
             your app is still there",
    }
}

/// What signing in to OneDrive takes: an app registration for mobile and desktop applications.
pub(crate) fn onedrive() -> Service {
    Service {
        name: "OneDrive",
        authorize_url: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize".to_owned(),
        token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token".to_owned(),
        scopes: vec!["Files.ReadWrite", "offline_access"],
        all_scopes: false,
        extra: &[],
        redirect_host: "localhost",
        redirect_port: 0,
        when_signed_out: "look at account.microsoft.com under \"Privacy\" > \"Apps and services\" \
             whether your app is still there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_read_from_the_address() {
        let at = |endpoint: &str| B2 {
            bucket: "photos".to_owned(),
            endpoint: endpoint.to_owned(),
            key_id: "004".to_owned(),
            path: String::new(),
            certificates: None,
        };
        let region = |endpoint| at(endpoint).region().to_owned();
        assert_eq!(
            region("https://s3.us-west-004.backblazeb2.com"),
            "us-west-004"
        );
        assert_eq!(region("http://127.0.0.1:9000"), "us-east-1");
    }
}
