-- Questions to the kernel: netlink sockets (netlink(7)), and addresses as the kernel has them.
local ffi = require "ffi"

ffi.cdef [[
int inet_pton(int family, const char *text, void *address);
int socket(int family, int type, int protocol);
long send(int file, const void *data, size_t size, int flags);
long recv(int file, void *data, size_t size, int flags);
int close(int file);
]]

local NETLINK = 16
local RAW_NONBLOCK_CLOEXEC = 3 + 0x800 + 0x80000

local _M = { INET = 2, INET6 = 10 }

-- A socket of one of netlink's protocols; negative where the kernel refuses it.
function _M.open(protocol)
    return ffi.C.socket(NETLINK, RAW_NONBLOCK_CLOEXEC, protocol)
end

return _M
