-- The service of `gateway_auth: forward`, which says who a visitor is: who listens at its address, what it answers, and
-- whether the answer is a name.
local bit = require "bit"
local ffi = require "ffi"

local ANSWER_SECONDS = 10       -- for the whole answer, so that a byte now and then does not hold a request for ever
local HEAD_BYTES = 32768        -- that the head of its answer may have
local NAME_BYTES = 254          -- of an address of mail

local AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
local SOCK_STREAM, SOCK_RAW, NONBLOCK_CLOEXEC = 1, 3, 0x80800
local SOL_SOCKET, SO_PEERCRED = 1, 17
local RTM_NEWROUTE, RTM_GETROUTE, NLM_F_REQUEST, RTA_DST, RTN_UNICAST = 24, 26, 1, 1, 1

ffi.cdef [[
int inet_pton(int family, const char *text, void *address);
int socket(int family, int type, int protocol);
int connect(int file, const void *address, unsigned int size);
long send(int file, const void *data, size_t size, int flags);
long recv(int file, void *data, size_t size, int flags);
int getsockopt(int file, int level, int name, void *value, unsigned int *size);
int close(int file);
struct vizgate_unix_address { uint16_t family; char path[108]; };
struct vizgate_credentials { int32_t process; uint32_t user, group; };
struct vizgate_route {
    uint32_t size; uint16_t type, flags; uint32_t sequence, sender;
    uint8_t family, bits, source_bits, service, table, protocol, scope, kind; uint32_t route_flags;
    uint16_t attribute_size, attribute; uint8_t address[16];
};
]]

local _M = {}

-- An address of an IP version as bytes; an IPv4 address that is written as one of IPv6 (::ffff:7f00:1) is the IPv4 address
-- that connections go to. Nothing for what is no address.
local function parse_address(host)
    local six, bytes = host:find(":", 1, true), ffi.new("uint8_t[16]")
    if ffi.C.inet_pton(six and AF_INET6 or AF_INET, host, bytes) ~= 1 then
        return
    end
    local text = ffi.string(bytes, six and 16 or 4)
    return text:sub(1, 12) == ("\0"):rep(10) .. "\255\255" and text:sub(13) or text
end

-- Would a connection to this address stay on this host? The kernel's routes say so; they know of addresses that come and go.
local function is_this_host(address)
    local file = ffi.C.socket(AF_NETLINK, bit.bor(SOCK_RAW, NONBLOCK_CLOEXEC), 0)
    if file < 0 then
        return true
    end
    local question, answer = ffi.new("struct vizgate_route"), ffi.new("union { struct vizgate_route route; char room[4096]; }")
    question.size, question.type, question.flags = 32 + #address, RTM_GETROUTE, NLM_F_REQUEST
    question.family, question.bits = #address == 4 and AF_INET or AF_INET6, #address * 8
    question.attribute_size, question.attribute = 4 + #address, RTA_DST
    ffi.copy(question.address, address, #address)
    local got = ffi.C.send(file, question, question.size, 0) == question.size and ffi.C.recv(file, answer, ffi.sizeof(answer), 0)
    ffi.C.close(file)
    -- no answer is no proof; that there is no way to the address is
    return not got or got < 16 or answer.route.type == RTM_NEWROUTE and answer.route.kind ~= RTN_UNICAST
end

-- The same of an address as text; true for what is none.
function _M.is_this_host(host)
    local address = parse_address(host)
    return not address or is_this_host(address)
end

-- Has somebody on this host asked a proxy? `chain` is what proxies say of where a request comes from, the nearest one's word
-- last: behind the visitor's address (in bytes) are those of proxies, and before one of this host what somebody here has written.
function _M.is_asked_from_here(chain, visitor)
    local words = {}
    for word in chain:gmatch("[^%s,]+") do
        words[#words + 1] = word:match("^%[(.-)%]") or word:match("^([%d.]+):%d+$") or word
    end
    for number = #words, 1, -1 do
        local address = parse_address(words[number])
        if not address or address == visitor then
            return false
        elseif is_this_host(address) then
            return true
        end
    end
    return false
end

-- The account that listens on a unix socket, as the kernel noted it; nothing where nobody does.
local function listener_on(path)
    local address = ffi.new("struct vizgate_unix_address", AF_UNIX, path)
    local file = ffi.C.socket(AF_UNIX, bit.bor(SOCK_STREAM, NONBLOCK_CLOEXEC), 0)
    if file < 0 then
        return
    end
    local peer, size = ffi.new("struct vizgate_credentials"), ffi.new("unsigned int[1]", 12)
    local known = ffi.C.connect(file, address, ffi.sizeof(address)) == 0
        and ffi.C.getsockopt(file, SOL_SOCKET, SO_PEERCRED, peer, size) == 0
    ffi.C.close(file)
    return known and peer.user or nil
end

-- Is the place of the service on this host, and if so, which account listens there? `listener_at` tells that of an address
-- with a port ("127.0.0.1:4180", "[::1]:4180").
function _M.listener(place, listener_at)
    local path = place:match("^unix:(.*)$")
    if path then
        return true, listener_on(path)
    end
    local host, port = place:match("^%[?(.-)%]?:(%d+)$")
    local address = host and parse_address(host)
    if not address then
        return true
    end
    -- who connects to no address in particular gets to the loopback
    if address == ("\0"):rep(#address) then
        address = #address == 4 and "\127\0\0\1" or address:sub(1, -2) .. "\1"
    elseif not is_this_host(address) then
        return false
    end
    if #address == 4 then
        return true, listener_at(("%d.%d.%d.%d"):format(address:byte(1, 4)) .. ":" .. port)
    end
    local words = address:gsub("..", function(pair) return ("%02x%02x:"):format(pair:byte(1, 2)) end)
    return true, listener_at(("[%s]:%s"):format(words:sub(1, -2), port))
end

-- The head of an answer, if all of it is there in time.
local function read_head(service, deadline)
    local head = ""
    repeat
        service:settimeout(math.max(1, (deadline - ngx.now()) * 1000))
        local piece = service:receiveany(4096)
        head = head .. (piece or "")
        local ending = head:find("\r\n\r\n", 1, true)
        if ending then
            return head:sub(1, ending + 1)
        end
    until not piece or #head > HEAD_BYTES or ngx.now() >= deadline
end

-- Status and the header's value, if that is there once. A head that is not written as the standard has it says nothing: who
-- gets a line break into a value would add headers.
local function parse_head(head, header)
    local status, rest = head:match("^HTTP/1%.[01] (%d%d%d)%f[^%d][^%c]*\r\n(.*)$")
    local values = {}
    for line in (rest or ""):gmatch("(.-)\r\n") do
        local name, value = line:match("^([%w!#$%%&'*+.^_`|~-]+):[ \t]*([^%z\1-\8\10-\31\127]-)[ \t]*$")
        if not name then
            return
        elseif name:lower() == header then
            values[#values + 1] = value
        end
    end
    return status, #values == 1 and values[1] or nil
end

-- Sends a request to the service at `place`, and reads the answer: its status, and the value of the header that names the
-- visitor. `is_service` tells whether to trust who listens: asked before there is a connection and after, as somebody could
-- accept it and then make way for the service, or the other way round.
function _M.ask(place, request, header, is_service)
    local service, deadline = ngx.socket.tcp(), ngx.now() + ANSWER_SECONDS
    service:settimeouts(1000, 2000, 1000)
    local host, port = place:match("^(.+):(%d+)$")
    if place:sub(1, 5) == "unix:" then
        host, port = place, nil
    end
    if not is_service() or not service:connect(host, tonumber(port)) then
        return
    end
    local head = is_service() and service:send(request) and read_head(service, deadline)
    service:close()
    if head then
        return parse_head(head, header)
    end
end

-- The names by which a visitor may be known: the service's, and where that is one of the domain, what stands before it.
-- Nothing where the service's is no name: one word of the characters that a login may have, with at most one "@" inside.
function _M.names(name, domain)
    if #name > NAME_BYTES or not (name:find("^[%w_][%w._+-]*$") or name:find("^[%w_][%w._+-]*@[%w][%w.-]*$")) then
        return
    end
    local user, place = name:match("^(.*)@(.*)$")
    return name, place and domain ~= "" and place == domain and user or name
end

return _M
