-- Addresses, and whether they are this host's.
local ffi = require "ffi"
local netlink = require "vizgate.netlink"

local ROUTE = 0                 -- netlink's protocol for routes
local RTM_NEWROUTE, RTM_GETROUTE, NLM_F_REQUEST, RTA_DST, RTN_UNICAST = 24, 26, 1, 1, 1

ffi.cdef [[
struct vizgate_route {
    uint32_t size; uint16_t type, flags; uint32_t sequence, sender;
    uint8_t family, bits, source_bits, service, table, protocol, scope, kind; uint32_t route_flags;
    uint16_t attribute_size, attribute; uint8_t address[16];
};
]]

local _M = {}

-- An IP address as bytes; an IPv4 address that is written as IPv6 (::ffff:7f00:1) is the IPv4 address that connections go to.
-- Nothing for other texts.
local function parse(host)
    local six, bytes = host:find(":", 1, true), ffi.new("uint8_t[16]")
    if ffi.C.inet_pton(six and netlink.INET6 or netlink.INET, host, bytes) ~= 1 then
        return
    end
    local text = ffi.string(bytes, six and 16 or 4)
    return text:sub(1, 12) == ("\0"):rep(10) .. "\255\255" and text:sub(13) or text
end
_M.parse = parse

-- Whether a connection to this address, in bytes, would stay on this host. The kernel's routes say so; they know of addresses
-- that come and go.
local function is_local(address)
    local file = netlink.open(ROUTE)
    if file < 0 then
        return true
    end
    local question = ffi.new("struct vizgate_route")
    local answer = ffi.new("union { struct vizgate_route route; char room[4096]; }")
    question.size, question.type, question.flags = 32 + #address, RTM_GETROUTE, NLM_F_REQUEST
    question.family, question.bits = #address == 4 and netlink.INET or netlink.INET6, #address * 8
    question.attribute_size, question.attribute = 4 + #address, RTA_DST
    ffi.copy(question.address, address, #address)
    local got = ffi.C.send(file, question, question.size, 0) == question.size
        and ffi.C.recv(file, answer, ffi.sizeof(answer), 0)
    ffi.C.close(file)
    -- no answer proves nothing; an answer that there is no route does
    return not got or got < 16 or answer.route.type == RTM_NEWROUTE and answer.route.kind ~= RTN_UNICAST
end
_M.is_local = is_local

-- The same of an address as text; true for what is no address.
function _M.is_local_text(host)
    local address = parse(host)
    return not address or is_local(address)
end

-- Whether a request that came by proxies was sent from this host. `chain` is X-Forwarded-For, the nearest proxy's word last:
-- behind the visitor's address (in bytes) are those of proxies, and what is before an address of this host was written by
-- somebody here.
function _M.is_sent_from_here(chain, visitor)
    local words = {}
    for word in chain:gmatch("[^%s,]+") do
        words[#words + 1] = word:match("^%[(.-)%]") or word:match("^([%d.]+):%d+$") or word
    end
    for number = #words, 1, -1 do
        local address = parse(words[number])
        if not address or address == visitor then
            return false
        elseif is_local(address) then
            return true
        end
    end
    return false
end

return _M
