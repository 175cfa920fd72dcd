if obj.status == nil or obj.status.deployment == nil or obj.status.deployment.found == nil then
  error("no other deployment answers", 0)
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["arango-operator.dev/accept-deployment"] = obj.status.deployment.found
return obj
