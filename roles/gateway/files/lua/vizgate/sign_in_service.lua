-- The service of `gateway_auth: forward`, which says who a visitor is: the account that listens at its address, its answer, and
-- the names in that.
local addresses = require "vizgate.addresses"
local bit = require "bit"
local ffi = require "ffi"

local ANSWER_SECONDS = 10       -- for the whole answer, so that a byte now and then does not hold a request for ever
local HEAD_BYTES = 32768        -- that the head of its answer may have
local NAME_BYTES = 254          -- of an address of mail

local AF_UNIX = 1
local SOCK_STREAM, NONBLOCK_CLOEXEC = 1, 0x80800
local SOL_SOCKET, SO_PEERCRED = 1, 17

ffi.cdef [[
int socket(int family, int type, int protocol);
int connect(int file, const void *address, unsigned int size);
int getsockopt(int file, int level, int name, void *value, unsigned int *size);
int close(int file);
struct vizgate_unix_address { uint16_t family; char path[108]; };
struct vizgate_credentials { int32_t process; uint32_t user, group; };
]]

local _M = {}

-- The account that listens on a unix socket, as the kernel noted it; nothing where none does.
local function listener_on(path)
    local address = ffi.new("struct vizgate_unix_address", AF_UNIX, path)
    local file = ffi.C.socket(AF_UNIX, bit.bor(SOCK_STREAM, NONBLOCK_CLOEXEC), 0)
    if file < 0 then
        return
    end
    local peer, size = ffi.new("struct vizgate_credentials"), ffi.new("unsigned int[1]", 12)
    local is_found = ffi.C.connect(file, address, ffi.sizeof(address)) == 0
        and ffi.C.getsockopt(file, SOL_SOCKET, SO_PEERCRED, peer, size) == 0
    ffi.C.close(file)
    return is_found and peer.user or nil
end

-- Whether the service's address is this host's, and if so, the account that listens there. `listener_at` gives the account for an
-- address with a port ("127.0.0.1:4180", "[::1]:4180").
function _M.listener(place, listener_at)
    local path = place:match("^unix:(.*)$")
    if path then
        return true, listener_on(path)
    end
    local host, port = place:match("^%[?(.-)%]?:(%d+)$")
    local address = host and addresses.parse(host)
    if not address then
        return true
    end
    -- a connection to the unspecified address goes to the loopback
    if address == ("\0"):rep(#address) then
        address = #address == 4 and "\127\0\0\1" or address:sub(1, -2) .. "\1"
    elseif not addresses.is_local(address) then
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

-- Status and the header's value, if that is there once. A head that does not follow the standard has neither: a line break in a
-- value would add headers.
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

-- Sends a request to the service at `place`; returns the answer's status, and the value of the header that names the visitor.
-- `is_trusted` says whether the listener is to be trusted: asked before there is a connection and after, as another program
-- could accept it and then make way for the service, or the other way round.
function _M.ask(place, request, header, is_trusted)
    local service, deadline = ngx.socket.tcp(), ngx.now() + ANSWER_SECONDS
    service:settimeouts(1000, 2000, 1000)
    local host, port = place:match("^(.+):(%d+)$")
    if place:sub(1, 5) == "unix:" then
        host, port = place, nil
    end
    if not is_trusted() or not service:connect(host, tonumber(port)) then
        return
    end
    local head = is_trusted() and service:send(request) and read_head(service, deadline)
    service:close()
    if head then
        return parse_head(head, header)
    end
end

-- The names of a visitor: the service's, and for a name of the domain, the part before it. Nothing where the service's is no
-- name, which is one word of the characters that a login may have, with at most one "@" inside.
function _M.names(name, domain)
    if #name > NAME_BYTES or not (name:find("^[%w_][%w._+-]*$") or name:find("^[%w_][%w._+-]*@[%w][%w.-]*$")) then
        return
    end
    local user, place = name:match("^(.*)@(.*)$")
    return name, place and domain ~= "" and place == domain and user or name
end

return _M
