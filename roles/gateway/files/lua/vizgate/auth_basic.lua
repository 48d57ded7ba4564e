-- Sign-in by passwords that come with the request: those of the users' password files, or those of accounts (PAM).
local cache = require "vizgate.cache"
local client = require "vizgate.client"
local config = require "vizgate.config"
local get_entry = require("vizgate.entries").get
local password_checker = require "vizgate.password_checker"
local ratelimit = require "vizgate.ratelimit"
local rehash = require "vizgate.rehash"

local links = ngx.shared.vizgate_links
local verdicts = ngx.shared.vizgate_verdicts
local checks = ngx.shared.vizgate_checks

local REFUSAL_SECONDS = 0.25    -- every refused password takes so long, hashed or not
local REFUSED_SECONDS = 60      -- a refusal is remembered for so long, and PAM's verdict on a password
local VISITOR_SECONDS = 604800  -- it is known for so long that a client has passed a login of a user's: see has_visited

local _M = {}

local function respond_401(user)
    ngx.header["WWW-Authenticate"] = 'Basic realm="vizgate ' .. user .. '", charset="UTF-8"'
    return ngx.exit(401)
end

local function respond_429(seconds)
    ngx.sleep(REFUSAL_SECONDS)
    ngx.header["Retry-After"] = seconds
    return ngx.exit(429)
end

-- Checks a password that counts as wrong, in the log of logins as well, until it is known to be right: neither a hundred at
-- once nor a client that goes away meanwhile gets a check without being counted.
local function counted_check(counters, user, generation, credential)
    local is_locked = ratelimit.count_as_wrong(counters)
    ngx.var.vizgate_outcome = is_locked and "locked out" or "refused"
    local verdict = password_checker.check(user, generation, credential)
    if verdict ~= false then
        ratelimit.count_as_not_wrong(counters, verdict)
        ngx.var.vizgate_outcome = ""
    elseif is_locked then
        ratelimit.lock(counters)
    end
    return verdict
end

-- The seconds after which the client may send its password again; nil where it is checked now.
local function retry_after(user, digest, counters)
    if verdicts:get("good " .. digest) then
        -- PAM is only asked again about somebody who is signed in, which is no guess
        return ratelimit.hard_lock_remaining(user) or ratelimit.acquire_slot()
    end
    local locked = ratelimit.lock_remaining(counters)
    if locked then
        ratelimit.count_while_locked(counters)
        return locked
    end
    local late = "late " .. digest
    if verdicts:get(late) then
        return math.ceil(verdicts:ttl(late) or 1)
    end
    local seconds = ratelimit.acquire_slot(counters)
    if seconds then
        -- for the page's other requests, which would each wait as long
        verdicts:set(late, true, seconds)
    end
    return seconds or ratelimit.lock_remaining(counters)
end

local function remember(digest, verdict)
    if verdict and config.sign_in.way == "pam" then
        -- PAM is asked again after a minute: the account may have been locked
        verdicts:set(digest, true, REFUSED_SECONDS)
        verdicts:set("good " .. digest, true, config.accepted_seconds)
    elseif verdict ~= nil then
        verdicts:set(digest, verdict, verdict and config.accepted_seconds or REFUSED_SECONDS)
        verdicts:delete("good " .. digest)
    end
end

-- One check for all requests that bring the same new credential at the same time.
local function check(digest, user, generation, credential)
    local busy = "busy " .. digest
    while not verdicts:add(busy, true, 30) do
        ngx.sleep(0.02)
        local verdict = verdicts:get(digest)
        if verdict ~= nil then
            return verdict
        end
    end
    local counters = ratelimit.counters(user)
    local seconds = retry_after(user, digest, counters)
    if seconds then
        verdicts:delete(busy)
        return respond_429(seconds)
    end
    local verdict = counted_check(counters, user, generation, credential)
    if verdict then
        rehash.keep(user, credential)
    end
    remember(digest, verdict)
    verdicts:delete(busy)
    return verdict
end

-- The verdict on a credential: true, false, or nil where it cannot be checked. The generation of the logins is part of what is
-- remembered, so a verdict ends with the logins that it was given for.
local function verdict_on(user, generation, credential)
    -- with the way of signing in, as another one asks another program
    local parts = { config.sign_in.way, user, generation or "", client.address(), credential }
    local digest = ngx.hmac_sha1(links:get("secret"), table.concat(parts, "\n"))
    local verdict = verdicts:get(digest)
    if verdict == nil then
        return check(digest, user, generation, credential)
    elseif verdict then
        local seconds = ratelimit.hard_lock_remaining(user)
        if seconds then
            return respond_429(seconds)
        elseif config.sign_in.way ~= "pam" then
            -- so that somebody who is signed in does not queue behind a guesser
            verdicts:expire(digest, config.accepted_seconds)
        end
    end
    return verdict
end

-- Lets a request through that brings a login of the user; answers all others.
function _M.authorize(user)
    local credential = ngx.var.http_authorization
    if not credential then
        return respond_401(user)
    end
    local passed, visitor = cache.current().passed, client.visitor(ngx.var)
    if passed[user] and passed[user][visitor] then
        ngx.var.vizgate_login = passed[user][visitor]
        return
    end
    local started = ngx.now()
    local generation = get_entry(user .. "/")
    local verdict = verdict_on(user, generation, credential)
    if verdict then
        local login = ngx.var.remote_user
        ngx.var.vizgate_login = login
        -- also for a remembered verdict, as logins that have changed may be those of before again
        checks:set("visitor " .. user .. " " .. client.address(), generation or "", VISITOR_SECONDS)
        passed[user] = passed[user] or {}
        passed[user][visitor] = login
    elseif verdict == nil then
        return ngx.exit(503)
    else
        ngx.sleep(math.max(0, started + REFUSAL_SECONDS - ngx.now()))
        return respond_401(user)
    end
end

-- Whether somebody with this client's address has passed a login of the user's that is still there. Browsers send no password
-- outside of the place that it was for, so more cannot be known.
function _M.has_visited(user)
    return checks:get("visitor " .. user .. " " .. client.address()) == (get_entry(user .. "/") or "")
end

return _M
