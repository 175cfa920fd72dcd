if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["arango-operator.dev/paused"] = "true"
return obj
