// pair PORT CODE ADB_KEYS: AOSP's own pairing server (the part of Android's framework that the "Pair device
// with pairing code" dialog starts), on 127.0.0.1:PORT. A computer that knows CODE has its key appended to ADB_KEYS,
// where adbd of the lab reads it. Ends after one attempt that came through, or with exit code 1 when it was wrong.
#include <adb/pairing/pairing_server.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <string>
// libcutils' listens on every interface
extern "C" int socket_inaddr_any_server(int port, int type) {
    int s = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in a{}; a.sin_family = AF_INET; a.sin_port = htons(port); a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s, (sockaddr*)&a, sizeof a) || listen(s, 8)) { close(s); return -1; }
    return s;
}
namespace adb { namespace sysdeps { std::string GetLoginNameUTF8() { return "lab"; } std::string GetHostNameUTF8() { return "phone"; } } }
static std::string keys;
static void done(const PeerInfo* peer, void*) {
    if (!peer) { printf("pairing failed\n"); fflush(stdout); _exit(1); }
    std::string key((const char*)peer->data, strnlen((const char*)peer->data, sizeof peer->data));
    int f = open(keys.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dprintf(f, "%s\n", key.c_str()); fchmod(f, 0644); close(f);
    _exit(0);
}
int main(int c, char** v) {
    if (c != 4) return 2;
    keys = v[3];
    PeerInfo me{}; me.type = ADB_DEVICE_GUID; snprintf((char*)me.data, sizeof me.data, "adb-LAB0000034-AbCdEf");
    auto* s = pairing_server_new_no_cert((const uint8_t*)v[2], strlen(v[2]), &me, atoi(v[1]));
    int port = pairing_server_start(s, done, nullptr);
    printf("pairing on 127.0.0.1:%d\n", port); fflush(stdout);
    if (!port) return 3;
    for (;;) pause();
}
