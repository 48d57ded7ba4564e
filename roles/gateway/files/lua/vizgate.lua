-- The phases of nginx that the gateway's configuration calls; what they do is in the modules of folder vizgate. Everything is
-- loaded once, before nginx starts its workers.
local auth_forward = require "vizgate.auth_forward"
local backend = require "vizgate.backend"
local claims = require "vizgate.claims"
local config = require "vizgate.config"
local control = require "vizgate.control"
local cookies = require "vizgate.cookies"
local error_page = require "vizgate.error_page"
local router = require "vizgate.router"
local trusted_proxy = require "vizgate.trusted_proxy"

local links = ngx.shared.vizgate_links

local _M = {
    route = router.route,                               -- access phase of every request
    balance = backend.balance,                          -- balancer phase
    rewrite_set_cookie = cookies.rewrite_set_cookie,    -- header phase of a backend's answer
    look = backend.look,                                -- access phase of a look at a backend that speaks TLS
    explain = error_page.explain,                       -- access phase of an error page
    control = control.handle,                           -- content phase of the control socket
}

-- Access phase of the sign-in service's own pages.
function _M.guard_sign_in_service()
    if config.is_proxied and ngx.var.vizgate_proxy == "1" then
        trusted_proxy.apply(ngx.var)
    end
    if not auth_forward.is_administrators_service() then
        return ngx.exit(503)
    end
    claims.drop()
end

-- The former names: a host's configuration calls them until its upgrade has written the new one.
_M.fence, _M.guard_service = _M.rewrite_set_cookie, _M.guard_sign_in_service

-- The secret that remembered verdicts are made with, and the number of the last publication; both outlive reloads.
local function keep_secret()
    local random = io.open("/dev/urandom", "rb")
    links:add("secret", random:read(20))
    links:add("edition", 0)
    random:close()
end

local function read_cookie_key(path)
    local file = io.open(path)
    local key = file and file:read("*a") or ""
    if file then
        file:close()
    end
    if #key < 32 then
        ngx.log(ngx.ERR, "no key in ", path, ": cookies are good until nginx stops")
        key = links:get("secret")
    end
    return key
end

-- Master, at start and at every reload: changes some of the settings of config.lua.
function _M.configure(settings)
    for name, value in pairs(settings) do
        if config[name] == nil then
            error("vizgate has no setting '" .. name .. "'; config.lua has a list", 2)
        end
        config[name] = value
    end
end

-- Master, at start and at every reload: the settings without defaults; `cookie_key` is the path of a file.
function _M.init(settings)
    keep_secret()
    _M.configure(settings)
    config.cookie_key = read_cookie_key(settings.cookie_key)
end

-- Master, at start and at every reload: see config.lockout.
function _M.lock_out(login, throttle, seconds)
    config.lockout = { login = login, throttle = throttle, seconds = seconds }
end

-- Master, at start and at every reload, where people do not sign in by the users' password files: see config.sign_in.
function _M.sign_in(how)
    config.sign_in = how
    claims.add(how.header)
end

return _M
