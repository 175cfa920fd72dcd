if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["arango-operator.dev/release"] = "true"
return obj
