SwaggerUIBundle({ url: "./docs.json", dom_id: "#documentation", validatorUrl: null });
