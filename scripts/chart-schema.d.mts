export declare function chartSchema(values: object, configuration: object): object;
