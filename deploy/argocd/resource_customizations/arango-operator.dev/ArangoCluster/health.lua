-- The condition Ready decides. What other conditions say for a person to know is added to its message.
-- An object that is being deleted is Progressing by Argo CD's own rule, before this is asked.
local hs = {
  status = "Progressing",
  message = "Waiting for arango-operator"
}
if obj.status == nil or obj.status.conditions == nil then
  return hs
end
-- Also so for a new object, whose status says -1 by default.
if obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local more = ""
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    hs.message = condition.message
    if condition.reason == "Paused" then
      hs.status = "Suspended"
    elseif condition.status == "True" then
      hs.status = "Healthy"
    elseif condition.status == "False" then
      hs.status = "Degraded"
    end
  elseif condition.type == "DeploymentChanged" or condition.type == "Maintenance" then
    more = more .. "; " .. condition.message
  elseif condition.type ~= "Stalled" and condition.status == "False" then
    more = more .. "; " .. condition.message
  end
end
hs.message = hs.message .. more
return hs
