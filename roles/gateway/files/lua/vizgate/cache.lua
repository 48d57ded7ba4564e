-- What this worker has found out in the current second: which credentials have passed from which addresses, where links lead,
-- and how the names of their cookies begin. Every publication increments the edition, so nothing here outlives a change.
local links = ngx.shared.vizgate_links

local _M = {}

local current = {}

-- The tables of this second: `passed` is user -> visitor -> login, `links` is address -> link, `cookie_prefixes` is
-- link and credential -> prefix.
function _M.current()
    local edition, second = links:get("edition"), ngx.time()
    if current.edition ~= edition or current.second ~= second then
        current = { edition = edition, second = second, passed = {}, links = {}, cookie_prefixes = {} }
    end
    return current
end

return _M
