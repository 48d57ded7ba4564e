-- Backends' cookies: in browsers their names begin with a prefix of the link's, so that no other link reads or sets them.
local cache = require "vizgate.cache"
local config = require "vizgate.config"
local scheme_of = require("vizgate.origin").scheme_of

local TOKEN = "[xc]srf"         -- in the names of cookies that are there for scripts to read

local _M = {}

-- What the cookies of the link /user/name begin with in browsers. Pages of others may write cookies for its address, but
-- cannot guess the prefix; a visitor who has had a login of the user's knows it for that login alone.
local function cookie_prefix(link)
    local prefixes = cache.current().cookie_prefixes
    local by = config.sign_in.way == "forward" and ngx.var.vizgate_login or ngx.var.http_authorization or ""
    local key = link .. "\n" .. by
    if not prefixes[key] then
        local digest = ngx.hmac_sha1(config.cookie_key, key):sub(1, 8)
        prefixes[key] = "vizgate."
            .. digest:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end) .. "."
    end
    return prefixes[key]
end

-- Of a request's cookies those of the link /user/name, by the names that it has given them.
function _M.of_link(cookies, link)
    local prefix, found = cookie_prefix(link), {}
    if cookies:find(prefix, 1, true) then
        for cookie in cookies:gmatch("[^;%s][^;]*") do
            if cookie:sub(1, #prefix) == prefix then
                found[#found + 1] = cookie:sub(#prefix + 1)
            end
        end
    end
    return table.concat(found, "; ")
end

-- The attributes of a backend's cookie as they are for browsers: below the link, of this host alone, encrypted if the
-- page is; and whether scripts may read the cookie.
local function rewrite_attributes(attributes, base)
    local secure, is_open, path, kept = scheme_of(ngx.var) == "https", true, "", {}
    for attribute in attributes:gmatch("[^;]+") do
        local key, text = attribute:match("^ *([^=]-) *= *(.-) *$")
        key = (key or attribute:match("^ *(.-) *$")):lower()
        if key == "path" then
            path = text or ""
        elseif key == "secure" then
            secure = true
        elseif key == "httponly" then
            is_open = false
        elseif key ~= "domain" then
            kept[#kept + 1] = ";" .. attribute
        end
    end
    if path:sub(1, 1) == "/" then
        local inside = path == base or path:sub(1, #base + 1) == base .. "/"
        kept[#kept + 1] = "; Path=" .. (inside and path or base .. path)
    end
    return table.concat(kept) .. (secure and "; Secure" or ""), is_open
end

-- Header phase of a backend's answer: cookies get the link's prefix, and are hidden from scripts. Those that scripts have to
-- repeat in a header (as those of Jupyter, Streamlit and Django do) are also sent by their own name; that copy never
-- comes back to the backend.
function _M.rewrite_set_cookie()
    local cookies = ngx.header["Set-Cookie"]
    if not cookies then
        return
    end
    local base, rewritten = ngx.var.vizgate_base, {}
    local prefix = cookie_prefix("/" .. ngx.var.vizgate_user .. "/" .. ngx.var.vizgate_link)
    for _, cookie in ipairs(type(cookies) == "table" and cookies or { cookies }) do
        local name, value, rest = cookie:match("^ *([^=; ][^=;]-) *(=[^;]*)(.*)$")
        -- browsers also accept tabs where others see no attribute; no honest cookie has a control character
        if name and not cookie:find("%c") then
            local attributes, is_open = rewrite_attributes(rest, base)
            rewritten[#rewritten + 1] = prefix .. name .. value .. attributes .. "; HttpOnly"
            if is_open and name:lower():find(TOKEN) then
                rewritten[#rewritten + 1] = name .. value .. attributes
            end
        end
    end
    ngx.header["Set-Cookie"] = rewritten
end

return _M
