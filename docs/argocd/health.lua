-- Health of a Tenant or an ApiKey for Argo CD; ../operating.md says where it goes.
-- Degraded ends a sync, so that it is kept for what waiting will not mend. A server that is away is Progressing, and says so.
local function health(status, message)
  return { status = status, message = message }
end

local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "waiting for the operator")
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local ready = conditions.Ready or { status = "Unknown", reason = "", message = "waiting for the operator" }
local message = ready.reason .. ": " .. ready.message
-- Suspended is what is so on purpose: told to be left alone, whatever else is, or scaled to zero, or ended.
if holds("Suspended") then
  return health("Suspended", message)
elseif holds("Reconciling") then
  return health("Progressing", message)
elseif ready.reason == "Hibernated" or ready.reason == "Revoked" then
  return health("Suspended", message)
elseif holds("Stalled") then
  return health("Degraded", message)
elseif holds("Ready") then
  return health("Healthy", message)
end
return health("Progressing", message)
