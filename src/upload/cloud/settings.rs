//! The destinations of the clouds, as kept in the settings. No secrets.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::upload::oauth::{Endpoints, Service};

/// The settings of a container in Azure Blob Storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Azure {
    /// The container's name.
    pub container: String,
    /// The storage account's name.
    pub account: String,
    /// The service's address, if it is not derived from the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The folder inside the container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// A PEM file with certificates to trust in addition to the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
}

impl Azure {
    /// Returns the service's address.
    pub fn address(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://{}.blob.core.windows.net", self.account),
        }
    }

    /// Returns the destination as one line.
    pub fn target(&self) -> String {
        format!("{}/{} at {}", self.container, self.path, self.address())
    }
}

/// The settings of a bucket in Google Cloud Storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The bucket's name.
    pub bucket: String,
    /// The service's address, if it is not Google's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The folder inside the bucket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// A PEM file with certificates to trust in addition to the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
}

impl Bucket {
    /// Returns the destination as one line.
    pub fn target(&self) -> String {
        let service = self.endpoint.as_deref().unwrap_or("Google Cloud Storage");
        format!("{}/{} at {service}", self.bucket, self.path)
    }
}

/// The settings of a bucket in Backblaze B2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct B2 {
    /// The bucket's name.
    pub bucket: String,
    /// The address of B2's S3-compatible API.
    pub endpoint: String,
    /// The id of the application key.
    pub key_id: String,
    /// The folder inside the bucket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// A PEM file with certificates to trust in addition to the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
}

impl B2 {
    /// Returns the region, which is part of the address: `https://s3.us-west-004.backblazeb2.com`.
    pub fn region(&self) -> &str {
        let host = self.endpoint.split("://").last().unwrap_or_default();
        let mut names = host.split('.');
        match (names.next(), names.next()) {
            (Some("s3"), Some(region)) => region,
            _ => "us-east-1",
        }
    }

    /// Returns the destination as one line.
    pub fn target(&self) -> String {
        format!("{}/{} at {}", self.bucket, self.path, self.endpoint)
    }
}

/// The settings of a user's Google Drive, Dropbox or OneDrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// The user's own client ID.
    pub client_id: String,
    /// The folder for the uploads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The service's address, if it is not the usual one. For tests; no option sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The addresses for signing in, if they are not the usual ones. For tests; no option sets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
}

impl Drive {
    /// Returns the service to sign in to, with the client ID to use.
    pub fn sign_in(&self, service: Service) -> (Service, &str) {
        (service.at(self.endpoints.as_ref()), &self.client_id)
    }

    /// Returns the destination as one line.
    pub fn target(&self, service: &str) -> String {
        let address = self.address.as_deref().unwrap_or(service);
        format!("{address}/{} with client ID {}", self.path, self.client_id)
    }
}

/// Returns how to sign in to Google Drive. The scope gives access only to files created with this client ID, and does
/// not require a review by Google.
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

/// Returns how to sign in to Dropbox. Its redirect address must be registered including the port.
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

/// Returns how to sign in to OneDrive. It needs an app registration for mobile and desktop applications.
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
