-- The account whose program gets the connections to a port of this host.
--
-- The kernel is asked about the one address (sock_diag(7)), which takes microseconds however many listeners there are, and
-- answers with the listener that it would choose itself. Where it does not answer (a security module forbids the socket, or
-- the kernel's module tcp_diag is missing), its tables in /proc are read instead, once a second: that takes longer the more
-- listeners there are.
local bit = require "bit"
local config = require "vizgate.config"
local ffi = require "ffi"
local netlink = require "vizgate.netlink"

local INET, INET6 = netlink.INET, netlink.INET6
local BY_FAMILY, REQUEST, ERROR, NOT_FOUND = 20, 1, 2, -2
local TCP, ESTABLISHED, LISTEN = 6, 1, 10
local LOOPBACK = 1              -- the interface, always the first, by which the host's connections to itself come
local HEAD = 20                 -- bytes of the shortest answer, an error

ffi.cdef [[
struct vizgate_question {
    uint32_t size; uint16_t kind, flags; uint32_t number, sender;
    uint8_t family, protocol, extensions, unused; uint32_t states;
    uint8_t port[2], peer_port[2]; uint32_t address[4], peer[4], interface, cookie[2];
};
struct vizgate_answer {
    uint32_t size; uint16_t kind, flags; uint32_t number, sender;
    union {
        int32_t error;
        struct {
            uint8_t family, state, timer, retransmits, port[2], peer_port[2];
            uint32_t address[4], peer[4], interface, cookie[2], expires, received, sent, uid, inode;
        } found;
    };
    uint8_t attributes[4096];
};
]]

local C = ffi.C
local question, answer = ffi.new "struct vizgate_question", ffi.new "struct vizgate_answer"
local NOBODY = ffi.new "uint32_t[4]"
local kernel, number = -1, 0
local is_proven = false         -- whether the kernel has found a listener before: then, where it finds none, there is none

-- An address as the kernel has it: its family, and words of 32 bits in the processor's own byte order. One that IPv6 only
-- wraps is IPv4.
local function packed(host)
    local family, words = host:find(":", 1, true) and INET6 or INET, ffi.new "uint32_t[4]"
    if C.inet_pton(family, host, words) ~= 1 then
        return
    elseif family == INET6 and host:lower():find("^::ffff:%d+%.") then
        family, words = INET, ffi.new("uint32_t[4]", words[3])
    end
    return family, words
end

-- The kernel's answer: the number of an account, false where no socket is in that state, nil where it does not answer.
local function answered(state)
    if tonumber(C.send(kernel, question, ffi.sizeof(question), 0)) ~= ffi.sizeof(question) then
        return nil
    elseif tonumber(C.recv(kernel, answer, ffi.sizeof(answer), 0)) < HEAD or answer.number ~= number then
        return nil
    elseif answer.kind == ERROR then
        return answer.error ~= NOT_FOUND and nil
    end
    return answer.kind == BY_FAMILY and answer.found.state == state and answer.found.uid
end

local function write_port(bytes, port)
    bytes[0], bytes[1] = bit.rshift(port, 8), bit.band(port, 255)
end

-- Asks for the listener at an address, or for the socket there that is connected to a peer.
local function ask(family, words, port, peer, peer_port)
    local state = peer and ESTABLISHED or LISTEN
    if kernel < 0 then
        kernel = netlink.open(config.sock_diag)
    end
    if kernel < 0 then
        return nil
    end
    number = number % 0x7fffffff + 1
    question.size, question.kind, question.flags, question.number = ffi.sizeof(question), BY_FAMILY, REQUEST, number
    question.family, question.protocol, question.states = family, TCP, bit.lshift(1, state)
    write_port(question.port, port)
    write_port(question.peer_port, peer_port or 0)
    ffi.copy(question.address, words, 16)
    ffi.copy(question.peer, peer or NOBODY, 16)
    -- any socket, not a certain one
    question.interface, question.cookie[0], question.cookie[1] = LOOPBACK, 0xffffffff, 0xffffffff
    local uid = answered(state)
    if uid == nil then
        -- an answer that comes late must not be taken for the next one's
        C.close(kernel)
        kernel = -1
    end
    return uid
end

-- Whether the kernel finds listeners at all: the gateway's own, by which the request at hand has come.
local function finds_the_gateway()
    local family, words = packed(ngx.var.server_addr or "")
    return family and ask(family, words, tonumber(ngx.var.server_port)) and true or false
end

local function hexadecimal(family, words)
    local format = family == INET6 and "%08X%08X%08X%08X" or "%08X"
    return format:format(tonumber(words[0]), tonumber(words[1]), tonumber(words[2]), tonumber(words[3]))
end

local ANY, ANY6 = hexadecimal(packed("0.0.0.0")), hexadecimal(packed("::"))
local WRAPPED = "0000000000000000" .. hexadecimal(packed("0.0.255.255"))
local TABLES = { "/proc/net/tcp", "/proc/net/tcp6" }

-- The tables as of this second: "0100007F:4E21" -> number of the account. Listeners stand first in them; the connections
-- after them are not read.
local listening = {}

local function listeners()
    local second = ngx.time()
    if listening.second ~= second then
        listening = { second = second }
        for _, path in ipairs(TABLES) do
            local file = io.open(path)
            for line in file and file:lines() or function() end do
                local place, state, uid = line:match("^ *%d+: (%x+:%x+) %x+:%x+ (%x%x) %S+ %S+ %S+ +(%d+)")
                if place and state ~= "0A" then
                    break
                elseif place then
                    uid = tonumber(uid)
                    -- two accounts that share an address: neither is trusted
                    listening[place] = (listening[place] or uid) == uid and uid or math.huge
                end
            end
            if file then
                file:close()
            end
        end
    end
    return listening
end

local function look_up(family, words, port)
    local at, address, suffix = listeners(), hexadecimal(family, words), (":%04X"):format(port)
    local uid = at[address .. suffix]
    if not uid and family == INET then
        uid = at[WRAPPED .. address .. suffix] or at[ANY .. suffix]
    end
    return uid or at[ANY6 .. suffix]
end

local _M = {}

-- The account that listens at an address of this host, like "127.0.0.1:8097" or "[::1]:8097": its number, or nothing.
-- `now`: as of this moment, not of this second.
function _M.owner(place, now)
    local host, port = place:match("^%[?(.-)%]?:(%d+)$")
    local family, words = packed(host or "")
    if not family then
        return
    end
    local uid = ask(family, words, tonumber(port))
    if uid then
        is_proven = true
    elseif uid == false and not is_proven then
        is_proven = finds_the_gateway()
    end
    if uid == nil or not is_proven then
        if now then
            listening = {}
        end
        uid = look_up(family, words, tonumber(port))
    end
    return uid or nil
end

-- The account whose program on this host has opened the connection from an address and port to another: its number. Nothing
-- where the kernel does not answer, or where the program has closed the connection, as the kernel then no longer knows.
function _M.connector(host, port, peer, peer_port)
    local family, words = packed(host)
    local peer_family, peer_words = packed(peer)
    return family and family == peer_family
        and ask(family, words, tonumber(port), peer_words, tonumber(peer_port)) or nil
end

return _M
