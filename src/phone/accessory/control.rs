//! Requests to a device itself, at its endpoint 0.

use std::time::Duration;

#[cfg(not(windows))]
pub(super) use self::others::{receive, send, send_now};
#[cfg(windows)]
pub(super) use self::windows::{receive, send, send_now};

/// How a request ended that did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    windows,
    expect(dead_code, reason = "without a way, nothing else fails")
)]
pub(super) enum UsbFailure {
    Stall,
    Gone,
    Silent,
    Other(String),
    #[cfg_attr(not(windows), expect(dead_code, reason = "only where there is no way"))]
    Platform,
}

#[cfg(not(windows))]
mod others {
    use super::{Duration, UsbFailure};
    use nusb::MaybeFuture as _;
    use nusb::transfer::{ControlIn, ControlOut, ControlType, Recipient, TransferError};

    pub(in super::super) async fn receive(
        device: &nusb::Device,
        request: u8,
        length: u16,
        timeout: Duration,
    ) -> Result<Vec<u8>, UsbFailure> {
        let asked = ControlIn {
            control_type: ControlType::Vendor,
            recipient: Recipient::Device,
            request,
            value: 0,
            index: 0,
            length,
        };
        device.control_in(asked, timeout).await.map_err(failure)
    }

    pub(in super::super) async fn send(
        device: &nusb::Device,
        request: (u8, u16, u16),
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), UsbFailure> {
        let sent = device.control_out(out(request, data), timeout).await;
        sent.map_err(failure)
    }

    /// The same, without a runtime.
    pub(in super::super) fn send_now(
        device: &nusb::Device,
        request: (u8, u16, u16),
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), UsbFailure> {
        let sent = device.control_out(out(request, data), timeout).wait();
        sent.map_err(failure)
    }

    fn out((request, value, index): (u8, u16, u16), data: &[u8]) -> ControlOut<'_> {
        ControlOut {
            control_type: ControlType::Vendor,
            recipient: Recipient::Device,
            request,
            value,
            index,
            data,
        }
    }

    fn failure(error: TransferError) -> UsbFailure {
        match error {
            TransferError::Stall => UsbFailure::Stall,
            TransferError::Disconnected => UsbFailure::Gone,
            TransferError::Cancelled => UsbFailure::Silent,
            other => UsbFailure::Other(other.to_string()),
        }
    }
}

/// WinUSB gives requests to a device only through an interface that it drives itself, and a
/// phone's interfaces are driven by others.
#[cfg(windows)]
mod windows {
    use super::{Duration, UsbFailure};

    pub(in super::super) async fn receive(
        _device: &nusb::Device,
        _request: u8,
        _length: u16,
        _timeout: Duration,
    ) -> Result<Vec<u8>, UsbFailure> {
        Err(UsbFailure::Platform)
    }

    pub(in super::super) async fn send(
        _device: &nusb::Device,
        _request: (u8, u16, u16),
        _data: &[u8],
        _timeout: Duration,
    ) -> Result<(), UsbFailure> {
        Err(UsbFailure::Platform)
    }

    pub(in super::super) fn send_now(
        _device: &nusb::Device,
        _request: (u8, u16, u16),
        _data: &[u8],
        _timeout: Duration,
    ) -> Result<(), UsbFailure> {
        Err(UsbFailure::Platform)
    }
}
