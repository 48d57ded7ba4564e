-- The gateway's request logic: who may pass, where a link leads, and how a change of links goes live.
--
-- An entry is one line of the include files: "alice/training" -> "keep 127.0.0.1:8097" for a link,
-- "alice/" -> the generation of alice's logins. Where users have port ranges, a link to this host also names the account
-- whose listeners it trusts ("keep 127.0.0.1:20001 1001"), and perhaps a number below which all are, as all services ("… 1001 1000"). Where
-- the link's target speaks TLS, the first word says so, and for which name its certificate has to be good
-- ("keep:verified:node7 10.0.0.7:8443", "keep:unverified: 10.0.0.7:8443"). It is "keep" or "strip", or "host" for a link with a host
-- name of its own. The shared dict holds what was published since nginx started and wins over the map that nginx read from
-- disk; an empty value says that the entry is gone.
local balancer = require "ngx.balancer"
local claims = require "vizgate_claims"
local ffi = require "ffi"
local listeners = require "vizgate_listeners"
local service = require "vizgate_service"

local links = ngx.shared.vizgate_links
local verdicts = ngx.shared.vizgate_verdicts
local checks = ngx.shared.vizgate_checks

local CHECKS_PER_SECOND = 5     -- password checks that one client may cause
local THROTTLE_SECONDS = 5      -- for one of them once it is throttled: less than a hundredth of a processor (bcrypt-10)
local THIS_HOST = "^\127"       -- whoever has a shell here has sixteen million addresses
local THIS_HOST6 = ("\0"):rep(15) .. "\1"
local CHECK_SECONDS = 30        -- that one check may take
local PATIENCE = 10             -- seconds that a check waits for its turn before 429
local BEYOND = 10               -- times too many are too many for whoever is in as well
local lockout                   -- so many wrong passwords are too many, and for how long: see _M.lock_out
local REFUSAL_SECONDS = 0.25    -- every refused password takes this long, hashed or not
local SETTLED_SECONDS = 300     -- after which nginx is sure to have read an include file again if it was told to
local REFUSED_SECONDS = 60      -- how long a refusal is remembered, and how long PAM's verdict on a password holds
local accepted_seconds          -- how long an accepted password is remembered after its last use
local TOKEN = "[xc]srf"         -- in the names of cookies that are there for scripts to read
local SLASH = 47
local LINK_BYTES = 97           -- of the longest "/user/link"
local HOST_BYTES = 260          -- of the longest name with a port
local SHOWN_BYTES = 60          -- of an address on an error page
local TO_HASH, TO_HASH_SECONDS = 100, 180 -- so many passwords are kept for a better hash, and so long
local SYSTEM_UIDS = 1000        -- accounts below belong to services, not to people
local VISITOR_SECONDS = 604800  -- so long is known that a client has passed a login of a user's: see is_visitor

local _M = {}

-- How people sign in: `way` is "htpasswd", "pam" or "forward". With the last, a service at `place` is asked for `path`; its
-- answer names the visitor in `header`, perhaps with "@" and `domain` behind; at `page` visitors sign in, and `cookies` are
-- the service's own. `site` is where browsers find the gateway.
local signing = { way = "htpasswd" }

-- What the include files said when nginx read them; "" for nothing.
local function on_disk(key)
    ngx.var.vizgate_key = key
    return ngx.var.vizgate_entry
end

local function entry(key)
    local value = links:get(key) or on_disk(key)
    if value ~= "" then
        return value
    end
end

-- Whom a password check is counted for: an IPv4 address, the /64 that an IPv6 client owns, or this host.
local function client()
    local var = ngx.var
    local address = var.binary_remote_addr
    if address:find(THIS_HOST) or address == THIS_HOST6 or var.remote_addr == var.server_addr then
        return "this host"
    end
    return #address == 16 and address:sub(1, 8) or address
end

-- Where a client's wrong passwords are counted: those for the login that it names, whether or not there is one, and all; and
-- where right ones are that had to be checked, as one can be spelled in many ways. For this host the last two are not: it is
-- many people, whom one of them shall not slow down together.
local function tallies(user)
    local address = client()
    local pair = "login " .. address .. ngx.sha1_bin(user .. "\n" .. (ngx.var.remote_user or ""))
    if address == "this host" then
        return pair
    end
    return pair, "all " .. address, "right " .. pair
end

-- Whether what is counted there has reached the limit; a limit of 0 is none.
local function is_full(tally, limit)
    return tally and limit > 0 and (checks:get(tally) or 0) >= limit
end

-- For how many seconds the client's passwords for that login are not looked at; nil if they are.
local function locked_for(pair, limit)
    return is_full(pair, limit) and math.ceil(checks:ttl(pair) or 1) or nil
end

-- Counts a password as wrong, or takes that back; returns how many there are.
local function count(tally, by)
    return tally and checks:incr(tally, by, 0, lockout.seconds) or 0
end

-- Counts one password check of the client's; waits while the client has used up its turns. Returns the seconds after
-- which to try again where it would have to wait for too long.
local function take_turn(all, right)
    local address, start = client(), ngx.now()
    while true do
        local period, limit = 1, CHECKS_PER_SECOND
        if is_full(all, lockout.throttle) or is_full(right, lockout.throttle) then
            period, limit = THROTTLE_SECONDS, 1
        end
        local now = ngx.now()
        local turn = math.floor(now / period)
        if checks:incr(("%s:%d:%d"):format(address, period, turn), 1, 0, 3 * period) <= limit then
            return nil
        end
        local wait = (turn + 1) * period - now
        if now + wait - start > PATIENCE then
            return math.ceil(wait)
        end
        ngx.sleep(wait + math.random() / 20)
    end
end

local function too_many(seconds)
    ngx.sleep(REFUSAL_SECONDS)
    ngx.header["Retry-After"] = seconds
    return ngx.exit(429)
end

-- The verdict of the password checker, a second nginx: hashing in this one would make every bystander wait.
-- Asked by a socket, as nginx's own subrequests do not work under HTTP/2.
local function check_password(user, generation, credential)
    if not generation and signing.way ~= "pam" or credential:find("%c") then
        return false
    end
    local checker = ngx.socket.tcp()
    checker:settimeouts(5000, 5000, CHECK_SECONDS * 1000)
    local answer, problem = checker:connect(_M.checker)
    if answer then
        checker:send("GET / HTTP/1.0\r\nX-Vizgate-User: " .. user .. "\r\nAuthorization: " .. credential .. "\r\n\r\n")
        answer, problem = checker:receive("*l")
        checker:close()
    end
    local status = answer and tostring(answer):match("^HTTP/1%.%d (%d+)")
    if status == "204" then
        return true
    elseif status == "401" or status == "403" then
        return false
    end
    ngx.log(ngx.ERR, "the password checker answers ", status or problem)
    return nil
end

-- The check of a password that counts as wrong, in the log of logins as well, until it is known to be right: neither a
-- hundred at once nor a client that goes away meanwhile gets one for nothing.
local function counted_check(pair, all, right, user, generation, credential)
    local wrong = count(pair, 1)
    count(all, 1)
    local full = lockout.login > 0 and wrong >= lockout.login
    ngx.var.vizgate_outcome = full and "locked out" or "refused"
    local verdict = check_password(user, generation, credential)
    if verdict ~= false then
        count(pair, -1)
        count(all, -1)
        count(verdict and right, 1)
        ngx.var.vizgate_outcome = ""
    elseif full then
        checks:expire(pair, lockout.seconds)
    end
    return verdict
end

-- Whoever goes on guessing while locked would at last be answered by what is remembered of somebody behind the same address:
-- then that is not looked at, either.
local function beyond_for(user)
    return locked_for(tallies(user), lockout.login * BEYOND)
end

-- The seconds after which the client may bring its password again; nil where it is looked at now.
local function wait_for(user, digest, pair, all, right)
    if verdicts:get("good " .. digest) then
        -- only PAM is asked again about who is in, which is no guess
        return beyond_for(user) or take_turn()
    end
    local locked = locked_for(pair, lockout.login)
    if locked then
        count(pair, 1)
        return locked
    end
    local late = "late " .. digest
    if verdicts:get(late) then
        return math.ceil(verdicts:ttl(late) or 1)
    end
    local seconds = take_turn(all, right)
    if seconds then
        -- for the page's other requests, which would each wait as long
        verdicts:set(late, true, seconds)
    end
    return seconds or locked_for(pair, lockout.login)
end

-- Keeps the right password of a login with an old hash for the minute's refresh, which makes a better hash of it: in memory, and
-- not for long. Whose hash is old is published with the logins.
local function keep_for_hashing(user, credential)
    local login = ngx.var.remote_user or ""
    local old = " " .. (entry(user .. "//old") or "") .. " "
    if old:find(" " .. login .. " ", 1, true) and not (signing.way == "pam" and login == user) then
        local password = (ngx.decode_base64(credential:match("^%S+ +(%S+)") or "") or ""):match("^[^:]*:(.*)$")
        if password and (verdicts:llen("to hash") or 0) < TO_HASH then
            verdicts:lpush("to hash", user .. "\t" .. login .. "\t" .. ngx.encode_base64(password) .. "\n")
            verdicts:expire("to hash", TO_HASH_SECONDS)
        end
    end
end

-- One check for all requests that bring the same new credential at the same time.
local function verdict_on(digest, user, generation, credential)
    local busy = "busy " .. digest
    while not verdicts:add(busy, true, 30) do
        ngx.sleep(0.02)
        local verdict = verdicts:get(digest)
        if verdict ~= nil then
            return verdict
        end
    end
    local pair, all, right = tallies(user)
    local seconds = wait_for(user, digest, pair, all, right)
    if seconds then
        verdicts:delete(busy)
        return too_many(seconds)
    end
    local verdict = counted_check(pair, all, right, user, generation, credential)
    if verdict then
        keep_for_hashing(user, credential)
    end
    if verdict and signing.way == "pam" then
        -- PAM is asked again after a minute: the account may have been locked
        verdicts:set(digest, true, REFUSED_SECONDS)
        verdicts:set("good " .. digest, true, accepted_seconds)
    elseif verdict ~= nil then
        verdicts:set(digest, verdict, verdict and accepted_seconds or REFUSED_SECONDS)
        verdicts:delete("good " .. digest)
    end
    verdicts:delete(busy)
    return verdict
end

local function refuse(user)
    ngx.header["WWW-Authenticate"] = 'Basic realm="vizgate ' .. user .. '", charset="UTF-8"'
    return ngx.exit(401)
end

-- What this worker has learnt in the current second: which credentials have passed from which addresses, where links lead,
-- and what their cookies are called. Every publication makes another edition, so that nothing here outlives a change.
local known = {}

local function recall()
    local edition, second = links:get("edition"), ngx.time()
    if known.edition ~= edition or known.second ~= second then
        known = { edition = edition, second = second, passed = {}, links = {}, tags = {} }
    end
    return known
end

-- Who has passed, and by what: to others it would tell, without any limit, which password is right.
local function visitor(var)
    return var.binary_remote_addr .. (var.http_authorization or "")
end

-- Lets a request through that brings a login of the user. The generation is part of what is remembered,
-- so a verdict dies with the logins that it was given for.
local function authenticate(user)
    local credential = ngx.var.http_authorization
    if not credential then
        return refuse(user)
    end
    local passed, who = recall().passed, visitor(ngx.var)
    if passed[user] and passed[user][who] then
        ngx.var.vizgate_login = passed[user][who]
        return
    end
    local started = ngx.now()
    local generation = entry(user .. "/")
    -- with the way of signing in, as another one asks somebody else
    local asked = table.concat({ signing.way, user, generation or "", client(), credential }, "\n")
    local digest = ngx.hmac_sha1(links:get("secret"), asked)
    local verdict = verdicts:get(digest)
    if verdict == nil then
        verdict = verdict_on(digest, user, generation, credential)
    elseif verdict then
        local seconds = beyond_for(user)
        if seconds then
            return too_many(seconds)
        elseif signing.way ~= "pam" then
            -- whoever is here does not queue behind a guesser again
            verdicts:expire(digest, accepted_seconds)
        end
    end
    if verdict then
        local login = ngx.var.remote_user
        ngx.var.vizgate_login = login
        -- also for one that is remembered, as logins that have changed may be those of before again
        checks:set("visitor " .. user .. " " .. client(), generation or "", VISITOR_SECONDS)
        passed[user] = passed[user] or {}
        passed[user][who] = login
    elseif verdict == nil then
        return ngx.exit(503)
    else
        ngx.sleep(math.max(0, started + REFUSAL_SECONDS - ngx.now()))
        return refuse(user)
    end
end

ffi.cdef "unsigned int getuid(void);"

-- Accounts of services: those below, and what systemd gives to services without one.
local function is_service_uid(uid, below)
    return uid < below or uid >= 61184 and uid < 65520
end

-- Is it an account that programs of the administrator run as, or the account that runs a rootless gateway?
local function is_administrators(uid)
    return uid and (is_service_uid(uid, SYSTEM_UIDS) or uid == ffi.C.getuid())
end

-- Does somebody listen at a target of this host whom its link does not trust? Without a listener nothing is amiss.
local function is_squatted(target, trusted, below)
    local uid = listeners.owner(target)
    if uid and uid ~= tonumber(trusted) then
        return below == "" and uid > 0 or below ~= "" and not is_service_uid(uid, tonumber(below))
    end
end

local function connect(target)
    local backend = ngx.socket.tcp()
    backend:settimeouts(1000, 1000, 2000)
    local host, port = target:match("^(.+):(%d+)$")
    if target:sub(1, 5) == "unix:" then
        host = target
    end
    return host and backend:connect(host, tonumber(port)) and backend
end

-- Is it the service that the administrator has started? Everybody here could listen at its place while it is away.
local function is_service()
    local here, uid = service.listener(signing.place, function(place)
        -- what was read before there was a connection says nothing about it
        return listeners.owner(place, true)
    end)
    return not here or is_administrators(uid)
end

-- What the sign-in service says of the request at hand: a status, and the visitor's name; nothing where it says none.
-- Asked by a socket for the same reason as the password checker, and for every request, as it may go by their addresses.
local function ask_service()
    local var = ngx.var
    local scheme, host = signing.site:match("^(%a+)://([^/]+)")
    -- not the Host that the client gives: services have rules for hosts
    local headers = {
        Host = host, Connection = "close", Accept = "*/*", Cookie = var.http_cookie, Authorization = var.http_authorization,
        ["X-Original-Method"] = var.request_method, ["X-Original-URI"] = var.request_uri,
        ["X-Original-URL"] = scheme .. "://" .. host .. var.request_uri,
        ["X-Forwarded-Method"] = var.request_method, ["X-Forwarded-Proto"] = scheme, ["X-Forwarded-Host"] = host,
        ["X-Forwarded-Uri"] = var.request_uri, ["X-Forwarded-For"] = var.remote_addr, ["X-Real-IP"] = var.remote_addr,
    }
    local lines = { "GET " .. signing.path .. " HTTP/1.1" }
    for name, value in pairs(headers) do
        if value:find("%c") then
            return "401"
        end
        lines[#lines + 1] = name .. ": " .. value
    end
    return service.ask(signing.place, table.concat(lines, "\r\n") .. "\r\n\r\n", signing.header, is_service)
end

-- May a visitor of this name see the user's pages? The user may, and who has the name of one of the user's logins.
local function is_welcome(user, said)
    local name, short = service.names(said, signing.domain)
    for login in ((name and entry(user .. "/") or ""):match(" .*") or ""):gmatch("%S+") do
        if login == name or login == short then
            return true
        end
    end
    return name and short == user
end

-- Does a person wait for a page, in a window of its own? Others are not helped by the page where one signs in.
local function is_waiting()
    local var = ngx.var
    if var.request_method ~= "GET" or var.http_upgrade then
        return false
    elseif var.http_sec_fetch_mode then
        return var.http_sec_fetch_mode == "navigate" and var.http_sec_fetch_dest == "document"
    end
    return (var.http_accept or ""):find("text/html", 1, true) and not var.http_x_requested_with
end

-- Lets a request through that may see the user's pages.
local function admit(user)
    if signing.way ~= "forward" then
        return authenticate(user)
    end
    local status, name = ask_service()
    if status and status:sub(1, 1) == "2" and name and is_welcome(user, name) then
        ngx.var.vizgate_login = name
        return
    elseif status == "403" or status and status:sub(1, 1) == "2" and name then
        ngx.var.vizgate_problem = "stranger"
        return ngx.exit(403)
    elseif status ~= "401" then
        ngx.log(ngx.ERR, "the sign-in service at ", signing.place, " answers ", status or "nothing", " without a name, or is not root's")
        return ngx.exit(503)
    end
    local written = ngx.var.request_uri
    if signing.page ~= "" and is_waiting() and written:find("^/[^/\\]") then
        local whole = signing.page:find("^%a+://") and signing.site or ""
        ngx.header["Cache-Control"] = "no-store"
        return ngx.redirect(signing.page .. ngx.escape_uri(whole .. written), 302)
    end
    return ngx.exit(401)
end

-- Begins TLS as nginx would; "" where that works. Only tells what is amiss: nginx itself goes by nothing but its own handshake.
local function greet(backend, name, verified)
    -- raises an error where a certificate is refused without having been waited for
    local done, session, problem = pcall(backend.sslhandshake, backend, nil, name ~= "" and name, verified)
    if done and session then
        return ""
    end
    return (not done or problem:find("^%d+:") or problem:find("certificate", 1, true)) and "untrusted " or "plain "
end

-- Asks a backend for its front page: does anything there speak HTTP now?
local function report_status(target, path, squatted, tls, name)
    local started = ngx.now()
    local backend = not squatted and connect(target)
    local answers = backend and (tls == "" or greet(backend, name, tls == "verified") == "")
        and backend:send("HEAD " .. path .. " HTTP/1.1\r\nHost: " .. (ngx.var.http_host or "localhost")
            .. "\r\nConnection: close\r\n\r\n")
        -- a line could be without an end; each of five bytes is waited for for two seconds at most
        and backend:receive(5) == "HTTP/"
    if backend then
        backend:close()
    end
    ngx.update_time()
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Cache-Control"] = "no-store"
    ngx.say('{"answers": ', tostring(answers and true or false),
        ', "milliseconds": ', math.floor((ngx.now() - started) * 1000), "}")
    return ngx.exit(200)
end

-- Does the answer take the place of the whole page, with its address for everybody to see? Unencrypted, browsers say
-- less, and a frame looks the same.
local function is_navigation(var, site)
    local method = ngx.req.get_method()
    if method ~= "GET" and method ~= "HEAD" or var.http_upgrade then
        return false
    elseif site then
        return var.http_sec_fetch_mode == "navigate" and var.http_sec_fetch_dest == "document"
    end
    return var.http_upgrade_insecure_requests == "1"
end

-- Has a script asked? One could write whatever Referer it likes, and in a worker made of a blob it has none to show, so
-- nothing is won by insisting on it. Pictures, styles, frames and forms need no script. Only a script opens a websocket, and
-- no browser sends a Referer with that.
local function is_scripted(var)
    local mode, dest = var.http_sec_fetch_mode, var.http_sec_fetch_dest or ""
    return mode == "websocket" or dest == "empty" and mode ~= "no-cors" or dest == "script" or dest:find("work", 1, true)
end

-- Of a Referer what stands after the origin, if that is the gateway's own; "/" where a page says no more, or nothing.
local function own_page(referer, own, public)
    if not referer or referer == "" then
        return "/"
    end
    local rest = referer:sub(1, #own) == own and referer:sub(#own + 1)
        or referer:sub(1, #public) == public and referer:sub(#public + 1)
    return rest and rest:sub(1, 1) == "/" and rest
end

-- By which scheme the browser has asked.
local function scheme_of(var)
    return _M.is_proxied and var.vizgate_scheme or var.scheme
end

-- The gateway's origin as this request's browser sees it. Behind something that takes the encryption off, the public address
-- has another scheme than the connection.
local function origins(var)
    local place = "://" .. (var.http_host or "")
    return scheme_of(var) .. place, _M.scheme .. place
end

-- The last word of a header, where several proxies, or a client before them, have written into it.
local function last_word(lines)
    local line = type(lines) == "table" and lines[#lines] or lines
    -- backwards, as a pattern without an anchor takes long for a long line
    return line and line:reverse():match("^%s*([^%s,]*)"):reverse()
end

-- Has a program of the administrator's opened this connection, and nobody on this host asked for it? Everybody here could come
-- from a proxy's address, and could ask a proxy from one, so that what they claim would count as the word of another proxy.
local function is_proxy(var, chain)
    local address = var.realip_remote_addr
    if chain and service.is_asked_from_here(chain, var.binary_remote_addr) then
        return false
    end
    return not service.is_this_host(address)
        or is_administrators(listeners.connector(address, var.realip_remote_port, var.server_addr, var.server_port))
end

-- Takes the scheme and host that the browser has asked for from a proxy that the administrator trusts. nginx has taken the
-- visitor's address before; where that was forged, nothing more may be done in its name.
local function take_from_proxy(var)
    local headers = ngx.req.get_headers(0)
    local scheme, host = last_word(headers["x-forwarded-proto"]), last_word(headers["x-forwarded-host"])
    local chain = headers["x-forwarded-for"]
    chain = type(chain) == "table" and table.concat(chain, ",") or chain
    if not (scheme or host or chain) then
        return
    elseif not is_proxy(var, chain) then
        var.vizgate_problem = "forged"
        return ngx.exit(403)
    elseif scheme == "http" or scheme == "https" then
        var.vizgate_scheme = scheme
    end
    if host and #host <= HOST_BYTES and host:find("^[%w.:%[%]_-]+$") then
        ngx.req.set_header("Host", host)
    end
end

-- Does the browser say that a request comes from a page that is not the user's own, or does the page hide it? A user with
-- a host name has an origin, and browsers keep origins apart.
local function is_foreign(user, var, origin, referer, site)
    local own, public = origins(var)
    if origin and origin ~= own and origin ~= public then
        return true
    end
    local page = own_page(referer, own, public)
    local near = page and (not site or site == "same-origin" or site == "none")
    if near and (_M.suffix or page:match("^/([^/?]*)") == user) or is_navigation(var, site) then
        return false
    elseif near and page == "/" then
        return site == "same-origin" and not is_scripted(var)
    end
    return true
end

-- Access phase of the sign-in service's own pages.
function _M.guard_service()
    if _M.is_proxied and ngx.var.vizgate_proxy == "1" then
        take_from_proxy(ngx.var)
    end
    if not is_service() then
        return ngx.exit(503)
    end
    claims.drop()
end

-- What the cookies of the link /user/name are called in browsers begins with this. Pages of others may write cookies for
-- its address, but do not guess it; whoever has had a login of the user's knows it for that login alone.
local function tag_of(link)
    local tags, told = recall().tags, link .. "\n" .. (signing.way == "forward" and ngx.var.vizgate_login or ngx.var.http_authorization or "")
    if not tags[told] then
        local digest = ngx.hmac_sha1(_M.cookie_key, told):sub(1, 8)
        tags[told] = "vizgate." .. digest:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end) .. "."
    end
    return tags[told]
end

-- Of a request's cookies those that the link has set, by the names that it knows them by.
local function own_cookies(cookies, tag)
    local found = {}
    if cookies:find(tag, 1, true) then
        for cookie in cookies:gmatch("[^;%s][^;]*") do
            if cookie:sub(1, #tag) == tag then
                found[#found + 1] = cookie:sub(#tag + 1)
            end
        end
    end
    return table.concat(found, "; ")
end

-- Whose host this is, where users have some, and of which of their links, where it is a link's own: the first label of a name
-- that is otherwise the gateway's own, "alice" or "training--alice". No user's name has "--" in it, so the last one parts them.
local function host_owner(host)
    host = (host or ""):lower()
    local label = host:sub(-#_M.suffix) == _M.suffix and host:sub(1, -#_M.suffix - 1) or ""
    if label:find("--", 1, true) then
        local own, user = label:match("^([a-z0-9][a-z0-9-]*)%-%-([a-z][a-z0-9-]*)$")
        return user, own
    end
    return label:match("^[a-z][a-z0-9-]*$")
end

-- Where the link is now that had a name with capital letters before it was imported; nil for all other addresses.
local function moved_to(user, home, rest, path, written)
    local old, tail = rest:match("^([%w][%w._-]*)(.*)$")
    if not old or not old:find("%u") or #old > 63 or not (tail == "" or tail:sub(1, 1) == "/") then
        return
    end
    local moved = (entry(user .. "/" .. old:gsub("%u", "^%0"):lower()) or ""):match("^moved (.*)$")
    local before = home .. "/" .. old
    if moved and path:sub(1, #before) == before then
        return home .. "/" .. moved .. (tail == "" and "/" or "") .. written:sub(#before + 1)
    end
end

-- What a backend without a prefix is asked for. A websocket may come to the link's address without the slash at its end, as
-- browsers follow no redirect for one.
local function below(base, written)
    local rest = written:sub(#base + 1)
    return rest:byte() == SLASH and rest or "/" .. rest
end

-- Finds the link of a request; every answer that is not the backend's is given here. Owner (where the host does not say
-- it) and link are taken from the URI as nginx normalised it; the backend gets the URI as the client wrote it. Where the
-- two do not begin alike (//, %2F, ..) the page does not exist. On a link's own host everything is that link's, `own`.
local function find_link(uri, written, user, own)
    local path, rest, home = written:match("^[^?]*"), uri:sub(2), ""
    if not _M.suffix then
        user, rest = uri:match("^/([a-z_][a-z0-9_-]*)/(.*)$")
        user = user or uri:match("^/([a-z_][a-z0-9_-]*)$")
        home = "/" .. (user or "")
    end
    if not user or #user > 32 then
        return ngx.exit(404)
    end
    ngx.var.vizgate_user = user
    admit(user)
    local status, moved
    if own then
        rest = own .. uri
    elseif path == home or path == home .. "/" then
        return ngx.exec("/-/index")
    elseif path == home .. "/_usage/" then
        return ngx.exec("/-/usage")
    else
        status, moved = rest and rest:match("^%-/status/(.*)$"), moved_to(user, home, rest or "", path, written)
    end
    if moved then
        return ngx.redirect(moved, 302)
    end
    local link, tail = (status or rest or ""):match("^([a-z0-9][a-z0-9._-]*)(.*)$")
    local learnt = recall()
    local route = link and #link <= 63 and entry(user .. "/" .. link)
    if not route then
        return ngx.exit(404)
    end
    local mode, security, target, trusted, below_uid = route:match("^(%a+)(%S*) (%S*) ?(%d*) ?(%d*)$")
    local tls, peer = security:match("^:(%a+):(.*)$")
    local base = own and "" or home .. "/" .. link
    local prefix = base .. "/"
    local squatted = trusted ~= "" and is_squatted(target, trusted, below_uid)
    if status and tail == "" and tls and not squatted then
        ngx.var.vizgate_target, ngx.var.vizgate_tls, ngx.var.vizgate_peer = target, tls, peer
        ngx.var.vizgate_uri = mode == "keep" and prefix or "/"
        return ngx.exec("/-/look")
    elseif status and tail == "" then
        return report_status(target, mode == "keep" and prefix or "/", squatted, "")
    end
    local is_bare = path == base and tail == ""
    if own and mode ~= "host" or mode == "host" and not _M.suffix then
        return ngx.exit(404)
    elseif mode == "host" and not own and (is_bare or path:sub(1, #prefix) == prefix) then
        -- 307, as what a program sends is for the link as well
        return ngx.redirect(_M.scheme .. "://" .. link .. "--" .. user .. _M.suffix .. below(base, written), 307)
    elseif is_bare and ngx.var.vizgate_upgrade == "" then
        -- 302, not 301, which a browser would remember for ever
        return ngx.redirect(prefix .. written:sub(#prefix), 302)
    elseif not is_bare and (path:sub(1, #prefix) ~= prefix or tail:sub(1, 1) ~= "/") then
        return ngx.exit(404)
    elseif target:sub(1, 1) == ":" then
        ngx.var.vizgate_link, ngx.var.vizgate_base = link, base
        ngx.var.vizgate_target = "a host that has no address"
        return ngx.exit(502)
    elseif squatted then
        ngx.var.vizgate_link, ngx.var.vizgate_base = link, base
        ngx.var.vizgate_target = "quarantined"
        return ngx.exit(502)
    end
    local found = {
        name = "/" .. user .. "/" .. link, user = user, link = link, base = base, target = target, keep = mode == "keep",
        tls = tls, peer = peer, passed = learnt.passed[user] or {},
    }
    learnt.links[own and own .. "--" .. user or found.name .. "/"] = found
    return found
end

-- Access phase of every request: a link that was found a moment ago and let the same credential pass, or a new search.
function _M.route()
    local var = ngx.var
    if _M.is_proxied and var.vizgate_proxy == "1" then
        take_from_proxy(var)
    end
    local uri, written = var.uri, var.request_uri
    -- what the log says, without the query, which is for the backend alone
    local path = (written:find("?", 1, true) or written:find("#", 1, true)) and written:match("^[^?#]*") or written
    var.vizgate_written = path
    local user, own
    if _M.suffix then
        user, own = host_owner(var.http_host)
    end
    local origin, referer, site = var.http_origin, var.http_referer, var.http_sec_fetch_site
    if (origin or referer or site) and is_foreign(user or uri:match("^/([^/]*)"), var, origin, referer, site) then
        return ngx.exit(403)
    end
    local slash = own and 1 or uri:find("/", 2, true)
    if slash and not _M.suffix then
        slash = uri:find("/", slash + 1, true)
    end
    local prefix = slash and uri:sub(1, slash)
    local link = prefix and recall().links[own and own .. "--" .. user or user and "/" .. user .. prefix or prefix]
    local login = link and written:sub(1, slash) == prefix and link.passed[visitor(var)]
    if login then
        var.vizgate_user, var.vizgate_login = link.user, login
    else
        link = find_link(uri, written, user, own)
    end
    claims.drop()
    var.vizgate_link = link.link
    var.vizgate_base = link.base
    var.vizgate_target = link.target
    var.vizgate_uri = link.keep and written or below(link.base, written)
    local cookies = var.http_cookie
    if cookies then
        var.vizgate_cookies = own_cookies(cookies, tag_of(link.name))
    end
    if link.tls then
        var.vizgate_tls, var.vizgate_peer = link.tls, link.peer
        return ngx.exec("@" .. link.tls)
    end
end

-- Access phase of a look at a backend that speaks TLS: its status, or why there was no answer.
function _M.look()
    local var = ngx.var
    local tls, target, name = var.vizgate_tls, var.vizgate_target, var.vizgate_peer
    if ngx.status ~= 502 then
        return report_status(target, var.vizgate_uri, false, tls, name)
    end
    local backend = tls ~= "" and connect(target)
    if backend then
        var.vizgate_problem = greet(backend, name, tls == "verified")
        backend:close()
    end
    return ngx.exec("/-/error")
end

-- What a tool's page has asked for outside of the tool's own address: the address of the tool, and what it wanted. Only the
-- texts of Referer and request count, so that it looks the same whether or not there are such links and users.
local function asked_outside(var)
    local _, own
    if _M.suffix then
        _, own = host_owner(var.http_host)
    end
    local page = not own and own_page(var.http_referer, origins(var)) or ""
    local tool = page:match(_M.suffix and "^(/[a-z0-9][a-z0-9._-]*)/" or "^(/[a-z_][a-z0-9_-]*/[a-z0-9][a-z0-9._-]*)/")
    local wanted = (var.request_uri or ""):match("^/[%w/._~%%+-]*")
    if tool and #tool <= LINK_BYTES and wanted and (wanted .. "/"):sub(1, #tool + 1) ~= tool .. "/" then
        return tool, #wanted > SHOWN_BYTES and wanted:sub(1, SHOWN_BYTES) .. "…" or wanted
    end
end

-- What has come back from a backend whose answer nginx did not pass on; nothing where none has.
local function bad_answer(var)
    local bytes = tonumber((var.upstream_bytes_received or ""):match("%d+$")) or 0
    return bytes >= _M.head_bytes and "oversized" or bytes > 0 and "broken" or nil
end

-- Has somebody with this client's address passed a login of the user's that is still there? Browsers send no password outside of the
-- place that it was for, so more cannot be known. A sign-in service knows the visitor anywhere.
local function is_visitor(user)
    if signing.way == "forward" then
        local status, name = ask_service()
        return status and status:sub(1, 1) == "2" and name and is_welcome(user, name)
    end
    return checks:get("visitor " .. user .. " " .. client()) == (entry(user .. "/") or "")
end

-- Whose link an address belongs to, by its text alone.
local function link_at(path, var)
    if _M.suffix then
        local user, own = host_owner(var.http_host)
        return user, path ~= "" and own or path:match("^/([a-z0-9][a-z0-9._-]*)/")
    end
    return path:match("^/([a-z_][a-z0-9_-]*)/([a-z0-9][a-z0-9._-]*)/")
end

-- Says in the log which link is concerned by a request that has got none: one outside of the link that a page of the link has made,
-- or a websocket of WebKit's, which sends no password with one. Of addresses that are not the link owner's own, only those requests
-- count that were refused before anything was looked up (there is no user yet), so that the owner learns nothing of what is
-- there, or of who may see it; and none that came by way of another site, which may have put something of its own into the address.
-- Without encryption browsers do not mark that: then the helper hands out no more than the address's first part.
local function note(var, status, tool)
    local problem, place = "outside", tool and tool .. "/"
    if status == 401 and var.vizgate_upgrade ~= "" and var.http_sec_fetch_dest == "websocket" then
        problem, place = "no password", var.vizgate_written .. "/"
    end
    local user, link = link_at(place or "", var)
    local site, is_own = var.http_sec_fetch_site, var.vizgate_login ~= "" and var.vizgate_user == user
    local is_unseen = status == 403 and var.vizgate_user == "" and (not site or site == "same-origin")
    if is_unseen and not site then
        problem = "outside unmarked"
    end
    if link and #link <= 63 and (is_own or (is_unseen or problem == "no password") and is_visitor(user)) then
        var.vizgate_noted, var.vizgate_concerns = problem, user .. "/" .. link
    end
end

-- Access phase of an error page: finds out what it can say besides the status.
function _M.explain()
    local var, status = ngx.var, ngx.status
    if (var.vizgate_problem or "") ~= "" then
        return
    elseif status == 502 then
        local problem = bad_answer(var)
        if problem then
            var.vizgate_case, var.vizgate_noted = problem .. " ", problem
        end
    elseif status == 401 or status == 403 or status == 404 then
        local tool, wanted = asked_outside(var)
        if tool then
            var.vizgate_case, var.vizgate_tool, var.vizgate_wanted = "outside", tool, wanted
            var.vizgate_tool_link = tool:match("[^/]*$")
        end
        note(var, status, tool)
    end
end

-- Balancer phase: the one upstream leads to wherever the request's link does.
function _M.balance()
    local target = ngx.var.vizgate_target
    local done, problem = balancer.set_current_peer(target)
    if not done then
        ngx.log(ngx.ERR, "cannot go to ", target, ": ", problem)
        return ngx.exit(502)
    end
end

-- The attributes of a backend's cookie as they are for browsers: below the link, of this host alone, encrypted if the
-- page is; and whether scripts were to see the cookie.
local function fenced(attributes, base)
    local secure, open, path, kept = scheme_of(ngx.var) == "https", true, "", {}
    for attribute in attributes:gmatch("[^;]+") do
        local key, text = attribute:match("^ *([^=]-) *= *(.-) *$")
        key = (key or attribute:match("^ *(.-) *$")):lower()
        if key == "path" then
            path = text or ""
        elseif key == "secure" then
            secure = true
        elseif key == "httponly" then
            open = false
        elseif key ~= "domain" then
            kept[#kept + 1] = ";" .. attribute
        end
    end
    if path:sub(1, 1) == "/" then
        local inside = path == base or path:sub(1, #base + 1) == base .. "/"
        kept[#kept + 1] = "; Path=" .. (inside and path or base .. path)
    end
    return table.concat(kept) .. (secure and "; Secure" or ""), open
end

-- Header phase of a backend's answer: cookies get names that only their own link is told, and are for no script. What
-- scripts have to repeat in a header (as those of Jupyter, Streamlit and Django do) they also get by the name that they
-- know; that copy never comes back to the backend.
function _M.fence()
    local cookies = ngx.header["Set-Cookie"]
    if not cookies then
        return
    end
    local base, found = ngx.var.vizgate_base, {}
    local tag = tag_of("/" .. ngx.var.vizgate_user .. "/" .. ngx.var.vizgate_link)
    for _, cookie in ipairs(type(cookies) == "table" and cookies or { cookies }) do
        local name, value, rest = cookie:match("^ *([^=; ][^=;]-) *(=[^;]*)(.*)$")
        -- browsers also accept tabs where others see no attribute; no honest cookie has a control character
        if name and not cookie:find("%c") then
            local attributes, open = fenced(rest, base)
            found[#found + 1] = tag .. name .. value .. attributes .. "; HttpOnly"
            if open and name:lower():find(TOKEN) then
                found[#found + 1] = name .. value .. attributes
            end
        end
    end
    ngx.header["Set-Cookie"] = found
end

-- The control socket's PUT of lines "<key> TAB <value>" makes them the newest word. An entry that finds no room is
-- dropped, so that the include files speak for it after the reload that 507 asks for.
local function publish(lines)
    local published, full = 0, 0
    for key, value in lines:gmatch("([^\t\n]+)\t([^\n]*)\n") do
        if links:safe_set(key, value, 0, ngx.time()) then
            published = published + 1
        else
            links:delete(key)
            full = full + 1
        end
    end
    -- last: a worker that forgets before the entries are there would learn the old ones for another second
    links:incr("edition", 1)
    ngx.status = full > 0 and 507 or 200
    return published .. " published, " .. full .. " found no room\n"
end

-- POST of keys, one in a line: what is served for each.
local function look_up(lines)
    local values = {}
    for key in lines:gmatch("([^\n]*)\n") do
        values[#values + 1] = (entry(key) or "") .. "\n"
    end
    return table.concat(values)
end

-- DELETE: forgets what the include files say as well, if memory gets short. Only what is old: files that nginx reads at
-- this moment, for workers yet to come, were written after it.
local function tidy()
    local forgotten = 0
    if links:free_space() < links:capacity() / 2 then
        for _, key in ipairs(links:get_keys(0)) do
            local value, published = links:get(key)
            if published and ngx.time() - published > SETTLED_SECONDS and value == on_disk(key) then
                links:delete(key)
                forgotten = forgotten + 1
            end
        end
    end
    return forgotten .. " forgotten\n"
end

-- GET: the passwords of logins with old hashes, which are forgotten at once.
local function take_passwords()
    local lines = {}
    for number = 1, TO_HASH do
        lines[number] = verdicts:rpop("to hash")
        if not lines[number] then
            break
        end
    end
    return table.concat(lines)
end

-- Content phase of the control socket.
function _M.control()
    ngx.req.read_body()
    local answer = ({ PUT = publish, POST = look_up, DELETE = tidy, GET = take_passwords })[ngx.req.get_method()]
    local text = answer(ngx.req.get_body_data() or "")
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end

-- Master, at start and at every reload: the password checker's socket, the file with the key of cookies' names, the scheme
-- of the public address, where users have host names what those end in, and for how long accepted passwords are remembered.
-- The secret outlives reloads, and with it the remembered verdicts.
function _M.init(settings)
    local random = io.open("/dev/urandom", "rb")
    links:add("secret", random:read(20))
    links:add("edition", 0)
    random:close()
    local file = io.open(settings.cookie_key)
    local key = file and file:read("*a") or ""
    if #key < 32 then
        ngx.log(ngx.ERR, "no key in ", settings.cookie_key, ": cookies are good until nginx stops")
        key = links:get("secret")
    end
    if file then
        file:close()
    end
    _M.checker, _M.scheme, _M.suffix, _M.head_bytes = settings.checker, settings.scheme, settings.suffix, settings.head_bytes
    _M.cookie_key, _M.is_proxied, accepted_seconds = key, settings.is_proxied, settings.accepted_seconds
end

-- Likewise: after so many wrong passwords of a client for one `login`, within so many seconds, its passwords for that are not
-- looked at for as long; after so many for all logins, they `throttle` it. 0 for never. A verdict that is remembered holds.
function _M.lock_out(login, throttle, seconds)
    lockout = { login = login, throttle = throttle, seconds = seconds }
end

-- Likewise, where people do not sign in by the users' password files.
function _M.sign_in(how)
    signing = how
    claims.add(how.header)
end

return _M
