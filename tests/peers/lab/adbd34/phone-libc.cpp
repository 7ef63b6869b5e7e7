// phone-libc.so, preloaded into Debian's adbd of Android 14: what bionic and init give the daemon on a phone
// and Debian's build lacks. Its libbase keeps properties in a map of its own process, which nobody can fill, and
// its libcutils answers -1 for init's control sockets.
//   android::base::GetProperty      reads the files named in ADBD_PROPS (the last mention of a name wins)
//   android_get_control_socket      ANDROID_SOCKET_name, as init passes it
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
namespace android { namespace base {
std::string GetProperty(const std::string& key, const std::string& fallback) {
    std::string found;
    const char* files = getenv("ADBD_PROPS");
    std::stringstream list(files ? files : "");
    for (std::string file; std::getline(list, file, ':');) {
        std::ifstream in(file);
        for (std::string line; std::getline(in, line);)
            if (line.compare(0, key.size(), key) == 0 && line[key.size()] == '=') found = line.substr(key.size() + 1);
    }
    return found.empty() ? fallback : found;
}
}}
extern "C" int android_get_control_socket(const char* name) {
    const char* v = getenv((std::string("ANDROID_SOCKET_") + name).c_str());
    return v ? atoi(v) : -1;
}
// The daemon looks at errno after a listen() that worked, and finds the EINVAL that reading "tcp:localhost:PORT"
// left there: it would give the socket up without a word (server_socket_thread in daemon/transport_local.cpp).
extern "C" int listen(int fd, int backlog) {
    long r = syscall(SYS_listen, fd, backlog);
    if (r == 0) errno = 0;
    return (int)r;
}
